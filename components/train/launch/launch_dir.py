"""Where one launch of a training keeps what it tells its workers, and what they wrote."""

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components import storage
from components.errors import DataError

_LAUNCH = re.compile(r"launch-(\d+)/")


@dataclasses.dataclass(frozen=True)
class LaunchDir:
    """The folder of a launch, under a name that no earlier launch has.

    Attributes:
      path: A local folder; on a bucket, what is in it is uploaded when the launch ends.
      uri: Where it is for all machines.
    """

    path: Path
    uri: str


@contextlib.contextmanager
def launch_dir(logs_uri: str) -> Iterator[LaunchDir]:
    """Yields the folder of a new launch, whose files are there for all at the end, whatever the end."""
    earlier = []
    with contextlib.suppress(DataError):  # no such folder: the first launch
        earlier = [int(match[1]) for file in storage.list_files(logs_uri) if (match := _LAUNCH.match(file.path))]
    uri = storage.join(logs_uri, f"launch-{max(earlier, default=0) + 1}")
    if not storage.is_remote(uri):
        Path(uri).mkdir(parents=True, exist_ok=True)
        yield LaunchDir(Path(uri), uri)
        return
    with tempfile.TemporaryDirectory() as temporary:
        try:
            yield LaunchDir(Path(temporary), uri)
        finally:
            for path in sorted(Path(temporary).iterdir()):
                storage.write_bytes(storage.join(uri, path.name), path.read_bytes())
