"""Folders for the time that a process needs them, and what killed processes have left of theirs.

Nobody removes the folder of a process that was ended with SIGKILL, and a model in it may have half a gigabyte. So each
holds a file that its owner keeps locked for as long as it lives, by whatever it ends: a folder whose lock is free has
no owner any more. Age and process ids tell less, as a server may run for months, and ids begin anew in every container.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "agrivision-"
_LOCK = ".owner"
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def scratch_folder(kind: str) -> Iterator[Path]:
    """Yields a new local folder that is removed in the end; removes those that killed processes have left.

    Args:
      kind: A word for what it is needed for, part of its name.
    """
    remove_dead_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-")).resolve()
    try:
        descriptor = os.open(folder / f"{_LOCK}.new", _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Where the file system has no locks, nobody can take this one either, and the folder would stay.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Named only now: a lock that is there and free belongs to nobody.
                os.rename(folder / f"{_LOCK}.new", folder / _LOCK)
            yield folder
        finally:
            os.close(descriptor)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_dead_folders() -> int:
    """Removes the folders of this user whose owners have ended; returns how many there were."""
    num_removed = 0
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                num_removed += _remove_if_dead(Path(entry.path))
    return num_removed


def _remove_if_dead(folder: Path) -> bool:
    try:
        about = os.lstat(folder)
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
            return False
        descriptor = os.open(folder / _LOCK, _OPEN)
    except OSError:  # it has no lock: of an earlier version, just being made, or of something else
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The lock last, so that what is left of an interrupted removal is found again.
        for child in folder.iterdir():
            if child.name != _LOCK:
                if child.is_dir() and not child.is_symlink():
                    shutil.rmtree(child, ignore_errors=True)
                else:
                    child.unlink()
        shutil.rmtree(folder)
    except OSError:  # somebody holds the lock, or another process is removing it
        return False
    finally:
        os.close(descriptor)
    return True
