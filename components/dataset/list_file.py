"""Lists of everything that a refusal or a report names only the first few of: tab-separated text, one row a line.

A refusal says "3 of 4,000" and where all 4,000 are: in a file under `lists/`, named by its content. A dataset's own
lists lie beside its manifest. Rows are written as they come, so a list may be longer than memory.
"""

import contextlib
import hashlib
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from components import storage
from components.printable import printable_cell

FOLDER = "lists"
BAD_TILES = ("tile", "reason")  # headers of lists that more than one step writes
SUFFIX = ".tsv"


@contextlib.contextmanager
def local_list(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[Path]:
    """Yields a local file with the rows, which is deleted afterwards; see printable_cell."""
    with tempfile.TemporaryDirectory(prefix="agrivision-list-") as folder:
        path = Path(folder) / f"list{SUFFIX}"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for row in itertools.chain([header], rows):
                file.write("\t".join(printable_cell(str(cell)) for cell in row) + "\n")
        yield path


def publish_list(data_root: str, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Writes `lists/<name>-<hash>.tsv` under `data_root`, unless it is there; returns its path under `data_root`."""
    with local_list(header, rows) as local:
        with local.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path = f"{FOLDER}/{name}-{digest[:16]}{SUFFIX}"
        storage.upload_once(local, storage.join(data_root, path))
    return path


def where_all_are(data_root: str, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Writes the list, and returns what a refusal ends with: where it is.

    Args:
      data_root: Empty for a command that writes nothing.
    """
    if not data_root:
        return "; agrivision run writes the whole list to its data_root"
    try:
        path = publish_list(data_root, name, header, rows)
    except OSError as error:  # the refusal counts more than its list
        return f"; the whole list cannot be written to {data_root!r}: {error.strerror}"
    return f"; all are listed in {storage.join(data_root, path)!r}"
