"""Errors that a user can mend; each carries the exit code that scripts and the launcher read."""

import errno
import os

EXIT_SETTINGS = 2  # a bad setting: change it and run again
EXIT_DATA = 42  # bad data, or training that cannot succeed: trying again would not help
EXIT_TRY_AGAIN = 75  # what passes: a storage that does not answer, a lost peer; the same command may succeed later


class AgrivisionError(Exception):
    """An error whose message is one line for the user: the thing, what was expected, what came, the way out."""

    exit_code = 1


class SettingsError(AgrivisionError, ValueError):
    """A setting is wrong, or two settings contradict each other."""

    exit_code = EXIT_SETTINGS


class DataError(AgrivisionError):
    """The source data cannot be used as it is."""

    exit_code = EXIT_DATA


class UnreachableError(AgrivisionError):
    """A bucket or a server did not answer, for as long as it is tried. Nothing is wrong with data or settings."""

    exit_code = EXIT_TRY_AGAIN


# Of an OSError: nothing more can be written there.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def as_user_error(error: Exception) -> AgrivisionError | None:
    """Returns an error as one that a user can mend, as a full disk is, too; None for a defect."""
    if not isinstance(error, OSError) or error.errno not in NO_ROOM:
        return error if isinstance(error, AgrivisionError) else None
    place = f"under {os.path.dirname(error.filename)!r}" if isinstance(error.filename, str) else "to the disk"
    way_out = "let it be written to" if error.errno == errno.EROFS else "make room there"
    return DataError(f"cannot write {place}: {error.strerror}; {way_out}, and run again")
