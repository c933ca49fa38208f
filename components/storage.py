"""Reading and writing where the data is: a local folder or a `gs://` bucket; and reading from `s3://`.

Nothing written here is ever half visible. A local file is written under a temporary name, synced
and renamed, and its folder synced; an object on a bucket appears whole or not at all. What must
exist once is written with a precondition, and a pointer moves by compare-and-swap.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components import bucket, s3
from components.contracts import SourceFile
from components.errors import DataError, SettingsError


class Conflict(Exception):
    """Somebody else wrote first: the object exists already, or the pointer has moved."""


def join(root: str, *parts: str) -> str:
    """Returns `root` with `parts` below it, for a local folder or a URI."""
    return "/".join([root.rstrip("/"), *(part.strip("/") for part in parts)]) or "/"


def is_remote(uri: str) -> bool:
    """Tells a bucket from a local folder.

    Raises:
      SettingsError: for a scheme that is neither.
    """
    if uri.startswith((bucket.GS, s3.S3)):
        return True
    if "://" in uri:
        raise SettingsError(
            f"cannot read or write {uri!r}; expected a folder or {bucket.GS}<bucket>/<folder>, or {s3.S3} for a source"
        )
    return False


def list_files(root: str) -> Iterator[SourceFile]:
    """Yields every file under `root`, with paths relative to it, in no particular order.

    Hidden files and folders are left out. Links are followed. A bucket is listed in pages.

    Raises:
      DataError: if there is no such folder or bucket, or a part of it cannot be read.
    """
    if is_remote(root):
        yield from (s3 if root.startswith(s3.S3) else bucket).list_objects(root)
        return
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
        return  # a link to a folder above it would never end
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


def read_bytes(uri: str) -> bytes:
    """Returns the whole content.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if not is_remote(uri):
        return Path(uri).read_bytes()
    return s3.read(uri) if uri.startswith(s3.S3) else bucket.read(uri)


def read_range(uri: str, offset: int, length: int) -> bytes:
    """Returns `length` bytes from `offset` on; fewer if the file or object ends before.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if is_remote(uri):
        read = s3.read if uri.startswith(s3.S3) else bucket.read
        return read(uri, offset, offset + length) if length else b""
    # Not by a file object, whose buffer costs more than reading a whole record.
    return read_parts(uri, offset, [length])[0]


def read_parts(uri: str, offset: int, lengths: Sequence[int]) -> list[bytes]:
    """Returns what follows each other from `offset` on, each part by itself and never copied out of a larger one.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if is_remote(uri):
        whole = read_range(uri, offset, sum(lengths))
        ends = list(itertools.accumulate(lengths, initial=0))
        return [whole[start:end] for start, end in itertools.pairwise(ends)]
    descriptor = os.open(uri, os.O_RDONLY)
    try:
        ends = list(itertools.accumulate(lengths, initial=offset))
        return [_read_at(descriptor, start, length) for start, length in zip(ends, lengths, strict=False)]
    finally:
        os.close(descriptor)


def _read_at(descriptor: int, offset: int, length: int) -> bytes:
    content = os.pread(descriptor, length, offset)
    while len(content) < length and (more := os.pread(descriptor, length - len(content), offset + len(content))):
        content += more  # one call reads 2 GB at most
    return content


@contextlib.contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """Yields a local file with the content, which lasts as long as the context; a local file is used as it is.

    Raises:
      FileNotFoundError: if there is no such object.
    """
    if not is_remote(uri):
        yield Path(uri)
        return
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / uri.rpartition("/")[2]
        local.write_bytes(read_bytes(uri))
        yield local


def exists(uri: str) -> bool:
    """Tells whether there is a file or object of exactly this name (not a folder)."""
    return size(uri) is not None


def size(uri: str) -> int | None:
    """Returns the size in bytes, or None if there is no such file or object."""
    if is_remote(uri):
        return s3.size(uri) if uri.startswith(s3.S3) else bucket.size(uri)
    return os.stat(uri).st_size if os.path.isfile(uri) else None


def write_bytes(uri: str, content: bytes) -> None:
    """Writes or replaces, whole or not at all."""
    if is_remote(uri):
        bucket.write(uri, content)
        return
    with temporary_file(uri) as temporary:
        temporary.write_bytes(content)


def write_once(uri: str, content: bytes) -> bool:
    """Writes unless it exists; returns whether this call was the one that wrote."""
    try:
        compare_and_swap(uri, None, content)
    except Conflict:
        return False
    return True


def upload_once(local: Path, uri: str) -> None:
    """Moves a finished local file to `uri`, where a name stands for one content, unless it is there already.

    Two that upload at once write the same, so it does not matter whose file stays. `local` may be gone afterwards.
    """
    if is_remote(uri):
        bucket.upload(local, uri, once=True)
    elif not os.path.isfile(uri):
        with temporary_file(uri) as temporary:
            shutil.move(local, temporary)  # a rename, or a copy from another file system


def replace_file(local: Path, uri: str) -> None:
    """Moves a finished local file to `uri`, whole or not at all, in place of what is there.

    `local` may be gone afterwards.
    """
    if is_remote(uri):
        bucket.upload(local, uri, once=False)
        return
    with temporary_file(uri) as temporary:
        shutil.move(local, temporary)  # a rename, or a copy from another file system


@contextlib.contextmanager
def temporary_file(path: str) -> Iterator[Path]:
    """Yields a temporary path in the folder of local `path`; on success it is synced and renamed to it."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(descriptor)
    try:
        yield Path(name)
        os.chmod(name, 0o644)
        _sync(Path(name))
        os.replace(name, target)
        _sync(target.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _lock(path: str) -> Iterator[None]:
    """Holds the lock of a local path, against other processes and threads; it dies with its holder."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The lock file stays: removing it would let a second holder in, who has opened it before.
    with open(target.parent / f".{target.name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def publish_folder(local: Path, uri: str, last: str, *, move: bool = False) -> bool:
    """Publishes a finished local folder under a content version; returns False if it is there already.

    Locally the folder appears by one rename. On a bucket the file `last` is written after all others and with a
    precondition: a version without it does not exist, and readers look for it first.

    Args:
      move: `local` lies beside a local `uri` and is renamed itself; it may be gone afterwards.
    """
    if exists(join(uri, last)):
        return False
    if is_remote(uri):
        for path in sorted(path for path in local.rglob("*") if path.is_file() and path != local / last):
            bucket.upload(path, join(uri, path.relative_to(local).as_posix()), once=False)
        return write_once(join(uri, last), (local / last).read_bytes())
    target = Path(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = local if move else Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        if not move:
            shutil.copytree(local, staging, dirs_exist_ok=True)
        os.chmod(staging, 0o755)
        for path in (*staging.rglob("*"), staging):
            _sync(path)
        with _lock(uri):
            if exists(join(uri, last)):
                return False
            _rename_over_remains(staging, target)
        return True
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _rename_over_remains(staging: Path, target: Path) -> None:
    """Renames a folder to `target`, where at most the remains of a removal are that was cut short."""
    try:
        os.rename(staging, target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(target)
        os.rename(staging, target)
    _sync(target.parent)


def remove_folder(uri: str, last: str) -> None:
    """Removes a folder that publish_folder made; `last` goes first, so that it is never seen incomplete."""
    if is_remote(uri):
        for path in sorted((file.path for file in list_files(uri)), key=lambda path: path != last):
            bucket.delete(join(uri, path))
        return
    with _lock(uri):
        Path(uri, last).unlink(missing_ok=True)
        shutil.rmtree(uri, ignore_errors=True)


def download_folder(uri: str, local: Path) -> Path:
    """Copies a folder of small depth, such as a SavedModel, to the local disk; a local folder is returned as it is."""
    if not is_remote(uri):
        return Path(uri)
    for file in list_files(uri):
        target = local / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read_bytes(join(uri, file.path)))
    return local


def read_pointer(uri: str) -> tuple[bytes | None, str | None]:
    """Returns a pointer's content and the token that compare_and_swap takes; (None, None) if it does not exist."""
    if is_remote(uri):
        found = bucket.read_with_generation(uri)
        return (None, None) if found is None else (found[0], str(found[1]))
    try:
        content = Path(uri).read_bytes()
    except FileNotFoundError:
        return None, None
    return content, content.decode("latin-1")


def compare_and_swap(uri: str, token: str | None, content: bytes) -> None:
    """Writes `content` if the pointer is still what `token` stands for; None stands for "does not exist".

    Raises:
      Conflict: if it is not.
    """
    if is_remote(uri):
        if not bucket.write_if(uri, content, int(token or 0)):
            raise Conflict(uri)
        return
    with _lock(uri):  # closes the gap between looking and renaming
        if read_pointer(uri)[1] != token:
            raise Conflict(uri)
        with temporary_file(uri) as temporary:
            temporary.write_bytes(content)
