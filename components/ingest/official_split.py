"""Reads the official split of the paper release from the JSON files beside its tiles.

Each year has two of them: `data<year>_splits.json` lists the field ids of each split, and
`field_stats.json` the tiles of each split, by the path of their boundary, with their label counts.
Copies in other forms exist, so both files are interpreted by content, not by name: split to names,
name to split, or name to an object with a "split". A name is a tile or a field.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from components import storage
from components.contracts import SourceFile
from components.errors import DataError
from components.ingest.layouts import SPLIT_FOLDERS

MOST_BYTES = 256 << 20  # a year of Agriculture-Vision has a few MB; decoded, it takes several times that
_FILE_SUFFIXES = ("field_stats.json", "splits.json", "split.json")


def is_split_file(path: str) -> bool:
    """Returns whether a file has the name of one that may state the official split."""
    return path.lower().endswith(_FILE_SUFFIXES)


def read_split_file(source_uri: str, file: SourceFile) -> Any:
    """Returns the decoded content of a JSON file.

    Raises:
      DataError: if it is not valid JSON, or larger than MOST_BYTES.
    """
    if file.num_bytes > MOST_BYTES:
        raise DataError(
            f"{file.path!r} under {source_uri!r} has {file.num_bytes:,} bytes, and a file of splits or statistics may "
            f"have {MOST_BYTES:,}; rename or remove it"
        )
    try:
        return msgspec.json.decode(storage.read_bytes(storage.join(source_uri, file.path)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file.path!r} under {source_uri!r} is not JSON: {error}") from error


def stated_splits(content: Any) -> Iterator[tuple[str, str]]:
    """Yields tile or field names with their split, from the decoded content of a JSON file."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if (split := SPLIT_FOLDERS.get(key.lower())) is not None:
            if isinstance(value, dict | list):
                yield from ((name_of(name), split) for name in value if isinstance(name, str))
        else:
            named = value.get("split") if isinstance(value, dict) else value
            if isinstance(named, str) and named.lower() in SPLIT_FOLDERS:
                yield name_of(key), SPLIT_FOLDERS[named.lower()]


def agreed_split(name: str, splits: Sequence[tuple[str, str]], source_uri: str) -> str:
    """Returns the split of a tile or field.

    Args:
      splits: At least one statement: a split, and the file that states it.

    Raises:
      DataError: if the splits differ.
    """
    first = splits[0][0]
    for split, path in splits:
        if split != first:
            raise DataError(
                f"{name!r} is in both {first} and {split} according to the split files under {source_uri!r} "
                f"(one is {path!r}); it must be in one split"
            )
    return first


def name_of(name: str) -> str:
    """Returns `FIELD_0-0-512-512` for `field_bounds/FIELD_0-0-512-512.png`."""
    name = name.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in (".png", ".jpg", ".jpeg") else name
