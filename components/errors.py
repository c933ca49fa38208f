"""Errors that the user can fix. Each carries the exit code that scripts and the launcher read."""

import errno
import os

EXIT_SETTINGS = 2  # a bad setting: change it and run again
EXIT_DATA = 42  # bad data, or a training that cannot succeed; a retry would not help
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


# Numbers of an OSError that mean that nothing more can be written there.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# And those of a path that a user gave, or that lies where one was given: it is not what it must be, or not allowed.
_BAD_PLACE = {
    errno.EACCES: "its permissions, or those of a folder above it, must allow it",
    errno.EPERM: "its permissions, or those of a folder above it, must allow it",
    errno.EISDIR: "expected a file",
    errno.ENOTDIR: "something on the way to it is a file; expected folders",
    errno.ELOOP: "remove the link that leads to itself",
    errno.ENAMETOOLONG: "choose a shorter name",
}
_MOST_SHOWN = 200  # characters of a name


def as_user_error(error: Exception) -> AgrivisionError | None:
    """Returns the error as one that the user can fix, including a full disk and a bad path; None for a defect."""
    if not isinstance(error, OSError):
        return error if isinstance(error, AgrivisionError) else None
    if error.errno in _BAD_PLACE and error.filename is not None:
        return DataError(f"cannot use {_shown(error.filename)}: {error.strerror}; {_BAD_PLACE[error.errno]}")
    if error.errno not in NO_ROOM:
        return None
    place = f"under {os.path.dirname(error.filename)!r}" if isinstance(error.filename, str) else "to the disk"
    way_out = "make it writable" if error.errno == errno.EROFS else "free some space there"
    return DataError(f"cannot write {place}: {error.strerror}; {way_out}, and run again")


def _shown(filename: str | bytes | int) -> str:
    name = str(os.fsdecode(filename) if isinstance(filename, bytes) else filename)
    return repr(name) if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]!r}…"
