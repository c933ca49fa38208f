"""The local side of the storage package: files are written under a hidden name, synced and renamed."""

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.contracts import SourceFile
from components.errors import NO_ROOM, DataError


def list_files(root: str) -> Iterator[SourceFile]:
    """Yields every file under `root`, as storage.list_files does."""
    if not os.path.isdir(root):
        raise DataError(f"no such folder: {root!r}")
    try:
        yield from _list_folder(root, "", frozenset())
    except PermissionError as error:
        raise DataError(f"cannot list {error.filename!r}: no permission to read it") from error


def _list_folder(root: str, below: str, above: frozenset[tuple[int, int]]) -> Iterator[SourceFile]:
    folder = os.path.join(root, below)
    status = os.stat(folder)
    if (identity := (status.st_dev, status.st_ino)) in above:
        return  # a link to a folder above it would loop forever
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir():
                yield from _list_folder(root, path, above | {identity})
            elif entry.is_file():
                status = entry.stat()
                yield SourceFile(_as_text(path, root), status.st_size, str(status.st_mtime_ns))


def _as_text(path: str, root: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"file name {path!r} under {root!r} is not UTF-8; rename or remove it") from error
    return path


def read_bytes(path: str) -> bytes:
    """Returns the whole content, as storage.read_bytes does."""
    # With as few system calls as possible; a file object makes seven. Each call gives up the interpreter's lock, and
    # getting it back among busy threads takes longer than the read.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        content = os.read(descriptor, size := os.fstat(descriptor).st_size)
        if len(content) == size > 0:
            return content
        # Pipes and the like report no size, and one call reads at most 2 GB.
        parts = [content]
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    except OSError as error:  # a folder, or a broken disk; os.read does not name the file
        error.filename = path
        raise
    finally:
        os.close(descriptor)


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
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming_place(target):
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        os.close(descriptor)
        try:
            yield Path(name)
            os.chmod(name, 0o644)
            sync(Path(name))
            os.replace(name, target)
            sync(target.parent)
        finally:
            Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def naming_place(path: str | Path) -> Iterator[None]:
    """Adds `path` to the error of a full disk, because a failed write does not name its file."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            error.filename = str(path)
        raise


def sync(path: Path) -> None:
    """Makes sure that a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock(path: str) -> Iterator[None]:
    """Holds the lock of a local path against other processes and threads; the lock ends with its holder."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The lock file stays: removing it would let in a second holder that had already opened it.
    with open(target.parent / f".{target.name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
