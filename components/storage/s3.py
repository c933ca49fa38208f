"""The `s3://` side of the storage package, for reading a source; nothing else uses tensorflow-io.

tensorflow-io adds the scheme `s3://` to TensorFlow's file API. Its last release loads only in TensorFlow 2.16, so it
has its own environment (requirements/ingest.txt). Its client retries on 5xx, resets and timeouts, ten times with
exponential backoff, 25 seconds in all. Requests are signed if credentials are found, and anonymous otherwise.
"""

import concurrent.futures
import ctypes
import functools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from components import environment
from components.contracts import SourceFile, WhyIgnored
from components.errors import DataError, SettingsError, UnreachableError
from components.ignored import LeftOut, left_out_name
from components.safe_path import require_safe_path

S3 = "s3://"
_THREADS = 32  # requests in flight at once; each file of a listing takes one or two
_BATCH = 1024
_READ_BYTES = 16 * 2**20
# The library answers "not found" to every failure. After its retries that comes late; a real one comes at once.
_OUTAGE_SECONDS = 15.0


@functools.cache
def _files() -> Any:
    """Returns TensorFlow's file API with `s3://` in it.

    Raises:
      SettingsError: if this is not the ingest environment.
    """
    if (endpoint := environment.prepare_s3()) and not endpoint.startswith(("http://", "https://")):
        raise SettingsError(f"S3_ENDPOINT must begin with http:// or https://, got {endpoint!r}")
    try:
        import tensorflow_io  # noqa: F401  (registers the scheme; if it is missing, nothing is loaded)
        from tensorflow.io import gfile
    except (ImportError, NotImplementedError) as error:
        raise SettingsError(
            "s3:// needs the ingest environment: tensorflow-io does not load here; use the ingest image "
            "(agrivision submit --ingest-image), or copy the tiles first: "
            "make mirror SOURCE=s3://<bucket>/<folder> TO=<folder>"
        ) from error
    _end_at_exit()
    return gfile


def _end_at_exit() -> None:
    """Ends the process with its exit code before the library aborts it ("pure virtual method called").

    The abort happens in C++ destructors, long after Python has ended. The C library runs the handler that was
    registered last first, and passes it the exit code: with `_exit` as the handler, no destructor runs.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # glibc
        libc.on_exit(ctypes.cast(libc._exit, ctypes.c_void_p), None)
    else:
        print("warning: without glibc, tensorflow-io aborts the process at exit", file=sys.stderr)


def _checked(uri: str) -> str:
    if not uri.removeprefix(S3).partition("/")[0]:
        raise SettingsError(f"no bucket in {uri!r}; expected {S3}<bucket>/<folder>")
    return uri


def _ask(uri: str, request: Callable[[], Any]) -> Any:
    """Returns the answer to a request.

    Raises:
      FileNotFoundError: if it does not exist or may not be read; the library does not distinguish these.
      UnreachableError: if the server gave no usable answer within the client's retries.
      DataError: if a retry would not help.
    """
    import tensorflow as tf

    started = time.monotonic()
    try:
        return request()
    except tf.errors.NotFoundError as error:
        if time.monotonic() - started > _OUTAGE_SECONDS:
            seconds = time.monotonic() - started
            raise UnreachableError(f"no answer about {uri!r} in {seconds:.0f} s; run again later") from error
        raise FileNotFoundError(uri) from error
    except (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.UnknownError) as error:
        raise UnreachableError(f"cannot read {uri!r}: {error.message}; run again later") from error
    except tf.errors.OpError as error:
        raise DataError(f"cannot read {uri!r}: {error.message}; are AWS_* and S3_ENDPOINT right?") from error


def list_objects(root: str) -> Iterator[SourceFile | LeftOut]:
    """Yields every object under `root`, and what is left out, as storage.list_source does.

    An object's version is its modification time.
    """
    files = _files()
    root = _checked(root).rstrip("/")
    folders = [""]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        while folders:
            folder = folders.pop()
            uri = f"{root}/{folder}"
            try:
                names = _ask(uri, lambda uri=uri: files.listdir(uri))  # type: ignore[misc]
            except FileNotFoundError as error:
                raise DataError(
                    f"cannot list {uri!r}: no such bucket or folder, or no permission to read it; "
                    f"are AWS_REGION, S3_ENDPOINT and the credentials right?"
                ) from error
            # An empty name is the folder's own object, as a web console makes it.
            found = {f"{folder}{name.removesuffix('/')}" for name in names if name}
            paths = []
            for path in sorted(found):
                # Only the last part is new: a folder that is left out is not listed.
                if reason := left_out_name(require_safe_path(path, f"an object in {root!r}").rpartition("/")[2]):
                    yield LeftOut(path, reason)
                else:
                    paths.append(path)
            if folder and not paths:
                yield LeftOut(folder.removesuffix("/"), WhyIgnored.EMPTY_FOLDER)
            for start in range(0, len(paths), _BATCH):
                batch = paths[start : start + _BATCH]
                for path, status in zip(
                    batch, pool.map(lambda path: _status(files, f"{root}/{path}"), batch), strict=True
                ):
                    if status.is_directory:
                        folders.append(f"{path}/")
                    else:
                        yield SourceFile(path, status.length, str(status.mtime_nsec))


def _status(files: Any, uri: str) -> Any:
    try:
        return _ask(uri, lambda: files.stat(uri))
    except FileNotFoundError as error:
        raise DataError(f"{uri!r} was listed but does not exist, or may not be read") from error


def read(uri: str, start: int = 0, end: int | None = None) -> bytes:
    """Returns the content, or its bytes from `start` up to, but not including, `end`.

    Raises:
      FileNotFoundError: if there is no such object.
    """
    files = _files()

    def content() -> bytes:
        parts = []
        with files.GFile(_checked(uri), "rb") as file:
            if start:
                file.seek(start)
            left = None if end is None else end - start
            while left is None or left > 0:
                # Reading "all" would ask for the size first, which costs another round trip.
                wanted = _READ_BYTES if left is None else min(left, _READ_BYTES)
                parts.append(file.read(wanted))
                left = None if left is None else left - wanted
                if len(parts[-1]) < wanted:
                    break
        return b"".join(parts)

    return bytes(_ask(uri, content))


def size(uri: str) -> int | None:
    """Returns the size in bytes, or None if there is no such object."""
    try:
        status = _ask(uri, lambda: _files().stat(_checked(uri)))
    except FileNotFoundError:
        return None
    return None if status.is_directory else int(status.length)
