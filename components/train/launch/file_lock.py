"""The right to train in a folder: a file lock, which the system releases when its holder dies."""

import contextlib
import errno
import fcntl
import math
import os
import stat
from collections.abc import Callable, Iterator
from typing import TextIO

from components.errors import NO_ROOM, DataError
from components.train.launch.lease import LostLease

_MOST_CHARACTERS = 300  # of the name of a holder


class FileLock:
    """A lock that the system keeps until this process ends, however long it is stopped."""

    def __init__(self, path: str, file: TextIO) -> None:
        self._path, self._file = path, file

    def check(self) -> float:
        """See Lease."""
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise LostLease(f"{self._path!r}, the lock of this training, was removed; run again")
        return math.inf

    def confirm(self) -> None:
        """See Lease."""
        self.check()


@contextlib.contextmanager
def locked(path: str, me: str, say_who: Callable[[str], None]) -> Iterator[FileLock]:
    """Holds the lock of a file, after waiting for whoever holds it now.

    Args:
      path: Of the file, which is made if there is none.
      me: The holder, for others to read.
      say_who: Called with the holder that is waited for.

    Raises:
      DataError: If there is something else, or the folder has no locks.
    """
    while True:
        # The file stays: after its removal, a launch that had opened it before could lock it as a second holder.
        with _open_lock(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say_who(file.read(_MOST_CHARACTERS))
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise DataError(
                    f"cannot lock {path!r}: {error.strerror}; data_root must be on a file system with locks, or gs://"
                ) from error
            if os.fstat(file.fileno()).st_nlink:  # else somebody has removed it meanwhile
                file.seek(0)
                file.truncate()
                file.write(me)
                file.flush()
                yield FileLock(path, file)
                return


def _open_lock(path: str) -> TextIO:
    """Opens the lock file, and makes it if there is none.

    Raises:
      DataError: If there is something else: a link would make this process overwrite another file.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a file")
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise DataError(f"cannot lock {path!r}: {reason}; remove it and run again") from error
    return open(descriptor, "r+", encoding="utf-8", errors="replace")
