"""Reading and writing where the data is: a local folder or a `gs://` bucket.

Nothing written here is ever half visible. A local file is written under a temporary name, synced
and renamed, and its folder synced; an object on a bucket appears whole or not at all. What must
exist once is written with a precondition, and a pointer moves by compare-and-swap.

The google-cloud-storage client retries reads, lists and preconditioned writes on 408, 429, 5xx and
resets, with exponential backoff and jitter, for two minutes.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.contracts import SourceFile
from components.errors import DataError, SettingsError

GS = "gs://"


class Conflict(Exception):
    """Somebody else wrote first: the object exists already, or the pointer has moved."""


def join(root: str, *parts: str) -> str:
    """Returns `root` with `parts` below it, for a local folder or a URI."""
    return "/".join([root.rstrip("/") or "/", *(part.strip("/") for part in parts)])


def is_remote(uri: str) -> bool:
    """Tells a bucket from a local folder.

    Raises:
      SettingsError: for a scheme that is neither.
    """
    if uri.startswith(GS):
        return True
    if "://" in uri:
        raise SettingsError(f"cannot read or write {uri!r}; expected a folder or {GS}<bucket>/<folder>")
    return False


@functools.cache
def _client() -> Any:
    from google.cloud import storage

    return storage.Client()


def _blob(uri: str) -> Any:
    bucket, _, name = uri.removeprefix(GS).partition("/")
    return _client().bucket(bucket).blob(name)


def list_files(root: str) -> Iterator[SourceFile]:
    """Yields every file under `root`, with paths relative to it, in no particular order.

    Hidden files and folders are left out. A bucket is listed in pages.

    Raises:
      DataError: if there is no such folder or bucket.
    """
    if is_remote(root):
        yield from _list_bucket(root)
        return
    if not os.path.isdir(root):
        raise DataError(f"no such folder: {root!r}")
    yield from _list_folder(root, "")


def _list_folder(root: str, below: str) -> Iterator[SourceFile]:
    with os.scandir(os.path.join(root, below)) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir():
                yield from _list_folder(root, path)
            elif entry.is_file():
                status = entry.stat()
                yield SourceFile(path, status.st_size, str(status.st_mtime_ns))


def _list_bucket(root: str) -> Iterator[SourceFile]:
    from google.api_core.exceptions import Forbidden, NotFound

    bucket, _, prefix = root.removeprefix(GS).partition("/")
    prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    try:
        for blob in _client().list_blobs(bucket, prefix=prefix, fields="items(name,size,generation),nextPageToken"):
            path = blob.name[len(prefix) :]
            if path and not path.endswith("/") and not any(part.startswith(".") for part in path.split("/")):
                yield SourceFile(path, blob.size, str(blob.generation))
    except (NotFound, Forbidden) as error:
        raise DataError(f"cannot list {root!r}: {error.message}") from error


def read_bytes(uri: str) -> bytes:
    """Returns the whole content.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if not is_remote(uri):
        return Path(uri).read_bytes()
    from google.api_core.exceptions import NotFound

    try:
        content: bytes = _blob(uri).download_as_bytes()
    except NotFound as error:
        raise FileNotFoundError(uri) from error
    return content


def exists(uri: str) -> bool:
    """Tells whether there is a file or object of exactly this name (not a folder)."""
    return bool(_blob(uri).exists()) if is_remote(uri) else os.path.isfile(uri)


def size(uri: str) -> int | None:
    """Returns the size in bytes, or None if there is no such file or object."""
    if is_remote(uri):
        bucket, _, name = uri.removeprefix(GS).partition("/")
        blob = _client().bucket(bucket).get_blob(name)
        return None if blob is None else int(blob.size)
    return os.stat(uri).st_size if os.path.isfile(uri) else None


def write_bytes(uri: str, content: bytes) -> None:
    """Writes or replaces, whole or not at all."""
    if is_remote(uri):
        from google.cloud.storage.retry import DEFAULT_RETRY

        # Safe to repeat without a precondition, which the client cannot know: the content is the same each time.
        _blob(uri).upload_from_string(content, content_type="application/octet-stream", retry=DEFAULT_RETRY)
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
    """Moves a finished local file to `uri`, where content of this name, once there, is never replaced."""
    if is_remote(uri):
        from google.api_core.exceptions import PreconditionFailed

        with contextlib.suppress(PreconditionFailed):
            _blob(uri).upload_from_filename(str(local), if_generation_match=0)
        return
    if os.path.isfile(uri):
        return
    with temporary_file(uri) as temporary:
        shutil.move(local, temporary)


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


def publish_folder(local: Path, uri: str, last: str) -> bool:
    """Publishes a finished local folder under a content version; returns False if it is there already.

    Locally the folder appears by one rename. On a bucket the file `last` is written after all others and with a
    precondition: a version without it does not exist, and readers look for it first.
    """
    if exists(join(uri, last)):
        return False
    files = sorted(path for path in local.rglob("*") if path.is_file())
    if is_remote(uri):
        for path in files:
            if path != local / last:
                _blob(join(uri, path.relative_to(local).as_posix())).upload_from_filename(str(path))
        return write_once(join(uri, last), (local / last).read_bytes())
    target = Path(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        shutil.copytree(local, staging, dirs_exist_ok=True)
        os.chmod(staging, 0o755)
        for path in staging.rglob("*"):
            _sync(path)
        with contextlib.suppress(FileExistsError):
            os.rename(staging, target)
            _sync(target.parent)
            return True
        return False
    except OSError:
        if exists(join(uri, last)):  # another publisher renamed its identical folder first
            return False
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


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
    if not is_remote(uri):
        try:
            content = Path(uri).read_bytes()
        except FileNotFoundError:
            return None, None
        return content, content.decode("latin-1")
    from google.api_core.exceptions import NotFound

    blob = _blob(uri)
    try:
        blob.reload()
        content = blob.download_as_bytes(if_generation_match=blob.generation)
    except NotFound:
        return None, None
    return content, str(blob.generation)


def compare_and_swap(uri: str, token: str | None, content: bytes) -> None:
    """Writes `content` if the pointer is still what `token` stands for; None stands for "does not exist".

    Raises:
      Conflict: if it is not.
    """
    if is_remote(uri):
        from google.api_core.exceptions import PreconditionFailed

        try:
            _blob(uri).upload_from_string(
                content, content_type="application/octet-stream", if_generation_match=int(token or 0)
            )
        except PreconditionFailed as error:
            raise Conflict(uri) from error
        return
    Path(uri).parent.mkdir(parents=True, exist_ok=True)
    # The lock closes the gap between looking and renaming; it dies with its holder.
    with open(Path(uri).parent / f".{Path(uri).name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if read_pointer(uri)[1] != token:
            raise Conflict(uri)
        with temporary_file(uri) as temporary:
            temporary.write_bytes(content)
