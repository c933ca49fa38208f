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


def as_user_error(error: Exception) -> AgrivisionError | None:
    """Returns the error as one that the user can fix, including a full disk; None for a defect."""
    if not isinstance(error, OSError) or error.errno not in NO_ROOM:
        return error if isinstance(error, AgrivisionError) else None
    place = f"under {os.path.dirname(error.filename)!r}" if isinstance(error.filename, str) else "to the disk"
    way_out = "make it writable" if error.errno == errno.EROFS else "free some space there"
    return DataError(f"cannot write {place}: {error.strerror}; {way_out}, and run again")
