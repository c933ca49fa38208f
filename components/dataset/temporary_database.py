"""A temporary database on disk that stores and sorts what grows with the source, in a fixed amount of memory."""

import contextlib
import sqlite3
from collections.abc import Iterator

from components.errors import SettingsError

CACHE_KB = 65_536  # for pages and for sorting; smaller data never touches the disk
_PAGE_BYTES = 16_384  # rows are read and written in order, mostly
_NO_SPACE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


@contextlib.contextmanager
def temporary_database(cache_kb: int = CACHE_KB) -> Iterator[sqlite3.Connection]:
    """Yields an empty database that disappears when the context or the process ends, even in a crash.

    SQLite unlinks the file as soon as it has opened it. The file is in the folder that SQLITE_TMPDIR or TMPDIR names,
    else in /var/tmp or /tmp.

    Raises:
      SettingsError: if that folder has no space left.
    """
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as database:
        # Data that does not outlive the process needs no journal and no sync.
        for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", f"page_size = {_PAGE_BYTES}"):
            database.execute(f"PRAGMA {setting}")
        database.execute(f"PRAGMA cache_size = {-cache_kb}")
        database.execute("BEGIN")  # one transaction for everything, because each costs time
        try:
            yield database
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_SPACE:
                raise
            raise SettingsError(
                f"cannot sort the source's tiles on the temporary disk: {error}; "
                "they need about 1.5 kB each; set TMPDIR to a folder with more space"
            ) from error
