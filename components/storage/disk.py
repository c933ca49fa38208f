"""The local side of the storage package: files are written under a hidden name, synced and renamed."""

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from components import environment
from components.errors import DataError, naming_place
from components.safe_path import require_safe_path
from components.storage import mounts

_MOST_NAME_BYTES = 240  # of a file whose temporary name begins with its own
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL)


def read_bytes(path: str) -> bytes:
    """Returns the whole content, as storage.read_bytes does.

    Raises:
      DataError: if it is a pipe or a device, which could keep a reader waiting for ever, or never end.
    """
    # With as few system calls as possible; a file object makes seven. Each call gives up the interpreter's lock, and
    # getting it back among busy threads takes longer than the read.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else opening a pipe would wait for a writer
    try:
        status = os.fstat(descriptor)
        _require_file(status, path)
        content = os.read(descriptor, size := status.st_size)
        if len(content) == size > 0:
            return content
        # Files that the system makes up report no size, and one call reads at most 2 GB.
        parts = [content]
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    except OSError as error:  # a folder, or a broken disk; os.read does not name the file
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def require_file(path: str) -> None:
    """Refuses a pipe or a device, before somebody opens it.

    Raises:
      FileNotFoundError: if there is nothing of this name.
      DataError: if it is a pipe or a device.
    """
    _require_file(os.stat(path), path)


def _require_file(status: os.stat_result, path: str) -> None:
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):  # reading a folder has an error of its own
        raise DataError(f"{path!r} is a pipe or a device; expected a file")


def read_parts(path: str, offset: int, lengths: Sequence[int]) -> list[bytes]:
    """Returns consecutive parts from `offset` on, as storage.read_parts does."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        ends = list(itertools.accumulate(lengths, initial=offset))
        return [_read_at(descriptor, start, length) for start, length in zip(ends, lengths, strict=False)]
    finally:
        os.close(descriptor)


def _read_at(descriptor: int, offset: int, length: int) -> bytes:
    content = os.pread(descriptor, length, offset)
    while len(content) < length and (more := os.pread(descriptor, length - len(content), offset + len(content))):
        content += more  # one call reads at most 2 GB
    return content


@contextlib.contextmanager
def temporary_file(path: str) -> Iterator[Path]:
    """Yields a temporary path in the folder of local `path`; on success, syncs it and renames it to `path`."""
    target = Path(path)
    make_folder(target.parent)
    with naming_place(target):
        # A long name leaves no room for what is added to it.
        prefix = f".{target.name}." if len(target.name.encode()) <= _MOST_NAME_BYTES else "."
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=target.parent)
        os.close(descriptor)
        try:
            yield Path(name)
            os.chmod(name, 0o644)
            sync(Path(name))
            try:
                os.replace(name, target)
            except OSError as error:
                error.filename = path  # the temporary name says nothing to a reader
                raise
            sync(target.parent)
        finally:
            Path(name).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Makes sure that a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: str | Path) -> None:
    """Makes a folder and those above it, and makes sure that each new one is on the disk."""
    path = Path(folder)
    if path.is_dir():
        return
    try:
        path.mkdir()
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
    except FileExistsError:
        if not path.is_dir():  # else another process has just made it
            raise
    sync(path.parent)


def place_below(folder: Path, path: str) -> Path:
    """Returns where `path` ends below `folder`, which what is written there cannot leave.

    Raises:
      DataError: if `path` is not safe, or a link below `folder` leads out of it and AGRIVISION_FOLLOW_LINKS does not
        allow that.
    """
    target = folder / require_safe_path(path, f"what is to be written below {str(folder)!r}")
    real = target.parent.resolve() / target.name
    if not real.is_relative_to(folder.resolve()) and not environment.follows_links():
        raise DataError(
            f"{str(target)!r} would be written to {str(real)!r}, because of a link; expected a place below "
            f"{str(folder)!r}; remove the link, or set AGRIVISION_FOLLOW_LINKS=true"
        )
    return target


@contextlib.contextmanager
def lock(path: str, *, waits: bool = True) -> Iterator[None]:
    """Holds the lock of a local path against other processes and threads; the lock ends with its holder.

    Args:
      waits: Whether to wait for another holder.

    Raises:
      BlockingIOError: if there is one, and this does not wait.
      DataError: if the file system has no locks, or something else has the lock's name.
    """
    target = Path(path)
    make_folder(target.parent)
    # The lock file stays: removing it would let in a second holder that had already opened it.
    with open(target.parent / f".{target.name}.lock", "r+b", opener=_open_lock) as file:
        take_lock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _open_lock(path: str, _: int) -> int:
    """Opens or makes a lock file; whoever may write there could have a link empty another file, or a pipe wait."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        descriptor = -1
    if descriptor >= 0:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    raise DataError(f"{path!r} is a folder, a link, a pipe or a device; expected a lock file; remove it")


def take_lock(file: IO[Any], operation: int) -> None:
    """Locks an open file as fcntl.flock does.

    Raises:
      BlockingIOError: if another process holds the lock, and `operation` has LOCK_NB.
      DataError: if the file system has no locks.
    """
    try:
        fcntl.flock(file, operation)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        folder = os.path.dirname(file.name)
        kind = mounts.file_system_of(folder)
        raise DataError(
            f"cannot lock {file.name!r}: the file system there{f', {kind},' if kind else ''} has no locks "
            f"({error.strerror}); choose a folder on a disk, or a gs:// URI"
        ) from error


def rename_over_remains(staging: Path, target: Path) -> None:
    """Renames a folder to `target`, replacing at most the remains of an interrupted removal."""
    try:
        os.rename(staging, target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(target)
        os.rename(staging, target)
    sync(target.parent)
