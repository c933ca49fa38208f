"""Errors that the user can fix. Each carries the exit code that scripts and the launcher read."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

EXIT_SETTINGS = 2  # a bad setting: change it and run again
EXIT_DATA = 42  # bad data, or a training that cannot succeed; a retry would not help
EXIT_FOUND = 3  # a finding, and no error: what was looked at should be changed
EXIT_UNDECIDED = 4  # a finding, and no error: there is too little to tell
EXIT_TRY_AGAIN = 75  # temporary: storage does not answer, or a peer was lost; the same command may succeed later


class AgrivisionError(Exception):
    """An error with a one-line message for the user: the thing, what was expected, what came, the way out."""

    exit_code = 1


class SettingsError(AgrivisionError, ValueError):
    """A setting is wrong, or two settings contradict each other."""

    exit_code = EXIT_SETTINGS


class DataError(AgrivisionError):
    """The source data cannot be used as it is."""

    exit_code = EXIT_DATA


class UnreachableError(AgrivisionError):
    """A bucket or a server did not answer within the retries. Data and settings are not at fault."""

    exit_code = EXIT_TRY_AGAIN


# Numbers of an OSError that mean that nothing more can be written there; and that this user may not.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_NO_RIGHT = (errno.EACCES, errno.EPERM)
# Where TensorFlow says which operation failed, on a device whose name looks like a path.
_OPERATION = re.compile(r"\{\{[^}]*\}\}")
# And those of a path that a user gave, or that lies where one was given, and that is not what it must be.
_BAD_PLACE = {
    errno.EISDIR: "expected a file",
    errno.EEXIST: "expected a folder, or nothing; move away what has its name",
    errno.ENOTDIR: "something on the way to it is a file; expected folders",
    errno.ELOOP: "remove the link that leads to itself",
    errno.ENAMETOOLONG: "choose a shorter name",
}
_NO_TEMPORARY_FOLDER = "No usable temporary directory"  # what tempfile says of one that is missing, or full
_MOST_SHOWN = 200  # characters of a name


@contextlib.contextmanager
def naming_place(path: str | Path) -> Iterator[None]:
    """Adds `path` to the error of a full disk, because a failed write does not name its file."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            error.filename = str(path)
        raise


def disk_error_in(text: str) -> OSError | None:
    """Returns the error of a disk that TensorFlow tells in words, "<path>; <reason>"; None if it tells of none.

    It has one error for a disk without room and for a GPU without memory.
    """
    text = _OPERATION.sub("", text)
    for number in (*NO_ROOM, errno.EACCES):
        if match := re.search(rf"(/[^;]*); {re.escape(os.strerror(number))}", text):
            return OSError(number, os.strerror(number), match[1])
    return None


def as_user_error(error: Exception) -> AgrivisionError | None:
    """Returns the error as one that the user can fix; None for a defect.

    A disk that is full and a path that is not what it must be are DataErrors; a disk that is read-only, or a file that
    this user has no rights to, was badly chosen, and is a SettingsError.
    """
    if isinstance(error, AgrivisionError):
        return error
    if not isinstance(error, OSError):
        return None
    named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    place = f"under {_shown(os.path.dirname(named))}" if named else "to the disk"
    if error.errno == errno.EROFS:
        return SettingsError(f"cannot write {place}: {error.strerror}; make it writable, and run again")
    if error.errno == errno.EFBIG:
        way_out = "raise the limit of file sizes, see ulimit -f, and run again"
        return DataError(f"cannot write {place}: {error.strerror}; {way_out}")
    if error.errno in NO_ROOM:
        return DataError(f"cannot write {place}: {error.strerror}; free some space there, and run again")
    if error.errno in _NO_RIGHT and named:
        return SettingsError(f"no access to {_shown(named)}: {error.strerror}; give this user the right, and run again")
    if _NO_TEMPORARY_FOLDER in str(error.strerror):
        return SettingsError("no folder for temporary files can be written to; set TMPDIR to one that has some space")
    if error.errno in _BAD_PLACE and named:
        return DataError(f"cannot use {_shown(named)}: {error.strerror}; {_BAD_PLACE[error.errno]}")
    return None


def _shown(name: str) -> str:
    return repr(name) if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]!r}…"
