"""The `gs://` side of the storage package; nothing else uses google-cloud-storage.

Its client retries on 408, 429, 5xx, resets and truncated answers, with exponential backoff and jitter, for two minutes;
then the bucket counts as unreachable. Meanwhile a line every few seconds says so. Refused credentials end it at once. A
write that is repeated here has the same content each time, or a precondition, so repeating it is safe.
"""

import base64
import contextlib
import functools
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components import environment
from components.contracts import SourceFile, WhyIgnored
from components.errors import DataError, SettingsError, UnreachableError
from components.ignored import LeftOut, left_out_path
from components.retrying import may_pass
from components.safe_path import path_fault, require_safe_path
from components.waiting import WAITING

GS = "gs://"
_BINARY = "application/octet-stream"
_CONNECTIONS = 64  # up to this many threads read at once; beyond the client's default of 10, connections are not reused
_REASON_LENGTH = 200  # of an error; that of a failed connection is long
_LARGE_BYTES = 1 << 20  # of a request that may take seconds to send
_MAKING_CLIENT = threading.Lock()
_WRITER = "agrivision-writer"  # metadata key: which call wrote the object


def _client() -> Any:
    """Returns the process's client."""
    with _MAKING_CLIENT:  # the connections of a second one, of threads that ask at once, would be nobody's to close
        return _made_client()


@functools.cache
def _made_client() -> Any:
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    try:
        client = storage.Client()
    except DefaultCredentialsError:
        if environment.names_google_credentials():  # the user means these, and nobody else's
            raise
        client = storage.Client.create_anonymous_client()  # enough for a public bucket
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, _adapter())
    return client


def _adapter() -> Any:
    """Returns what sends the client's requests: over many connections, and telling WAITING what comes of them."""
    from requests import RequestException
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):  # type: ignore[misc, unused-ignore]
        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            is_large = int(request.headers.get("Content-Length") or 0) > _LARGE_BYTES
            try:
                with WAITING.sending() if is_large else contextlib.nullcontext():
                    response = super().send(request, *arguments, **options)
            except RequestException as error:
                WAITING.failed(_short(error))
                raise
            if may_pass(response.status_code):
                WAITING.failed(f"{response.status_code} {response.reason}")
            else:
                WAITING.heard()
            return response

    return Adapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS)


def _parts(uri: str) -> tuple[str, str]:
    """Returns bucket and name.

    Raises:
      SettingsError: if `uri` names no bucket, or is not a `gs://` URI.
    """
    if not uri.startswith(GS):
        raise SettingsError(f"cannot write to {uri!r}, which can only hold a source; write to a folder or {GS}")
    bucket, _, name = uri.removeprefix(GS).partition("/")
    if not bucket:
        raise SettingsError(f"no bucket in {uri!r}; expected {GS}<bucket>/<folder>")
    return bucket, name


def _blob(uri: str) -> Any:
    bucket, name = _parts(uri)
    if not name:
        raise SettingsError(f"no object in {uri!r}; expected {GS}<bucket>/<object>")
    return _client().bucket(bucket).blob(name)


@contextlib.contextmanager
def _refusals(uri: str) -> Iterator[None]:
    """Turns the client's errors into ours, in one line: DataError if a retry would not help, else UnreachableError."""
    from google.api_core.exceptions import (
        BadRequest,
        Forbidden,
        NotFound,
        RetryError,
        ServerError,
        TooManyRequests,
        Unauthorized,
    )
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests.exceptions import RequestException

    try:
        with WAITING.asking(repr(uri)):
            yield
    except NotFound as error:
        raise DataError(f"no such bucket: {_parts(uri)[0]!r}, in {uri!r}") from error
    except (BadRequest, Forbidden, Unauthorized) as error:
        raise DataError(f"no access to {uri!r}: {error.message}; does this account have rights to it?") from error
    except (RetryError, ServerError, TooManyRequests, TransportError, RequestException) as error:
        raise UnreachableError(_unreachable(uri, error)) from error
    except GoogleAuthError as error:
        raise DataError(f"no credentials for {uri!r}: {error}") from error


def _unreachable(uri: str, error: Exception) -> str:
    reason = _short(getattr(error, "cause", None) or error)
    return f"{uri!r} cannot be reached after minutes of retries: {reason}; finished work is kept, so run again later"


def _short(error: object) -> str:
    reason = " ".join(str(error).split())
    return reason if len(reason) <= _REASON_LENGTH else f"{reason[:_REASON_LENGTH]}…"


def list_objects(root: str) -> Iterator[SourceFile | LeftOut]:
    """Yields every object under `root`, and what is left out, as storage.list_source does."""
    bucket, prefix = _parts(root)
    prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    with _refusals(root):
        for blob in _client().list_blobs(bucket, prefix=prefix, fields="items(name,size,generation),nextPageToken"):
            path = blob.name.removeprefix(prefix)
            if path.endswith("/") or not path:
                # A folder made in a web console, empty unless other objects are below it.
                if not path_fault(path[:-1]) and not left_out_path(path[:-1]):
                    yield LeftOut(path[:-1], WhyIgnored.EMPTY_FOLDER)
                continue
            require_safe_path(path, f"an object in {root!r}")
            reason = left_out_path(path)
            yield LeftOut(path, reason) if reason else SourceFile(path, blob.size, str(blob.generation))


def list_md5(root: str) -> Iterator[tuple[str, bytes]]:
    """Yields path and md5 of the objects under `root`, as storage.list_md5 does; one put together of parts has none."""
    bucket, prefix = _parts(root)
    prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    with _refusals(root):
        for blob in _client().list_blobs(bucket, prefix=prefix, fields="items(name,md5Hash),nextPageToken"):
            if blob.md5_hash:
                yield blob.name.removeprefix(prefix), base64.b64decode(blob.md5_hash)


def read(uri: str, start: int | None = None, end: int | None = None) -> bytes:
    """Returns the content, or its bytes from `start` up to, but not including, `end`.

    Raises:
      FileNotFoundError: if there is no such object.
    """
    from google.api_core.exceptions import NotFound, RequestRangeNotSatisfiable

    with _refusals(uri):
        try:
            content: bytes = _blob(uri).download_as_bytes(start=start, end=None if end is None else end - 1)
        except NotFound as error:
            raise FileNotFoundError(uri) from error
        except RequestRangeNotSatisfiable:
            return b""
    return content


def size(uri: str) -> int | None:
    """Returns the size in bytes, or None if there is no such object."""
    bucket, name = _parts(uri)
    if not name:  # the bucket itself, which is no object
        return None
    with _refusals(uri):
        blob = _client().bucket(bucket).get_blob(name)
    return None if blob is None else int(blob.size)


def write(uri: str, content: bytes) -> None:
    """Writes or replaces an object."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    with _refusals(uri):
        _blob(uri).upload_from_string(content, content_type=_BINARY, retry=DEFAULT_RETRY)


def write_if(uri: str, content: bytes, generation: int) -> bool:
    """Writes if the object still has this generation, where 0 means no object; returns whether it wrote."""
    from google.api_core.exceptions import PreconditionFailed

    writer = uuid.uuid4().hex
    blob = _blob(uri)
    blob.metadata = {_WRITER: writer}
    with _refusals(uri):
        try:
            blob.upload_from_string(content, content_type=_BINARY, if_generation_match=generation)
        except PreconditionFailed:
            # Our own write may be in the way: if its answer was lost, the client has written again.
            bucket, name = _parts(uri)
            there = _client().bucket(bucket).get_blob(name)
            return there is not None and (there.metadata or {}).get(_WRITER) == writer
    return True


def upload(path: Path, uri: str, *, once: bool) -> None:
    """Uploads a local file; with `once`, keeps an object that already exists."""
    from google.api_core.exceptions import PreconditionFailed
    from google.cloud.storage.retry import DEFAULT_RETRY

    with _refusals(uri), contextlib.suppress(PreconditionFailed):
        _blob(uri).upload_from_filename(str(path), if_generation_match=0 if once else None, retry=DEFAULT_RETRY)


def delete(uri: str) -> None:
    """Deletes an object, if it exists."""
    from google.api_core.exceptions import NotFound
    from google.cloud.storage.retry import DEFAULT_RETRY

    with _refusals(uri), contextlib.suppress(NotFound):
        _blob(uri).delete(retry=DEFAULT_RETRY)


def read_with_generation(uri: str) -> tuple[bytes, int] | None:
    """Returns the content and its generation; None if there is no such object."""
    from google.api_core.exceptions import NotFound, PreconditionFailed

    with _refusals(uri):
        while True:
            blob = _blob(uri)
            try:
                blob.reload()
                return blob.download_as_bytes(if_generation_match=blob.generation), int(blob.generation)
            except PreconditionFailed:
                continue  # replaced between the two requests
            except NotFound:
                return None
