"""The folder in which one launch of a training keeps its workers' specs and logs."""

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components import storage
from components.storage import disk

_LAUNCH = re.compile(r"launch-(\d+)/")


@dataclasses.dataclass(frozen=True)
class LaunchDir:
    """The folder of a launch, with a name that no earlier launch used.

    Attributes:
      path: A local folder; if `uri` is in a bucket, its files are uploaded when the launch ends.
      uri: The folder as all machines see it.
    """

    path: Path
    uri: str


@contextlib.contextmanager
def launch_dir(logs_uri: str) -> Iterator[LaunchDir]:
    """Yields the folder of a new launch; however the launch ends, its files are then visible at `uri`."""
    earlier = []
    with contextlib.suppress(storage.NoSuchFolder):  # the first launch
        earlier = [int(match[1]) for file in storage.list_files(logs_uri) if (match := _LAUNCH.match(file.path))]
    uri = storage.join(logs_uri, f"launch-{max(earlier, default=0) + 1}")
    if not storage.is_remote(uri):
        disk.make_folder(uri)
        yield LaunchDir(Path(uri), uri)
        return
    with tempfile.TemporaryDirectory() as temporary:
        try:
            yield LaunchDir(Path(temporary), uri)
        finally:
            for path in sorted(Path(temporary).iterdir()):
                storage.write_bytes(storage.join(uri, path.name), path.read_bytes())
