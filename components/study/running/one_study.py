"""One study at a time in a folder: two would slow each other, and measure that."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from components.errors import SettingsError
from components.places import require_writable
from components.storage import disk

_NAME = "study"  # of the lock; the system frees it when its holder ends, by whatever it ends


@contextlib.contextmanager
def only_study_in(folder: Path) -> Iterator[None]:
    """Holds the right to run a study in a folder, which is made if there is none.

    Raises:
      SettingsError: if another study runs there, or nothing can be written there.
      DataError: if its file system has no locks.
    """
    require_writable("out", folder)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(disk.lock(str(folder / _NAME), waits=False))
        except BlockingIOError as error:
            raise SettingsError(
                f"out is {str(folder)!r}, where another study runs, and two would slow each other; wait for its end; "
                "what it finds is kept there"
            ) from error
        yield


def remove_unfinished(folder: Path) -> None:
    """Removes the hidden folders that experiments of a killed study have left below theirs; needs the lock."""
    for pattern in ("*/.*/", "*/*/.*/"):
        for left in folder.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)
