"""A gs:// server of this process whose objects have any names at all, for tests of what is made of them.

Cloud Storage itself takes nearly any name; the servers that tests otherwise use keep objects as files and cannot.
"""

import contextlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

from components.storage import bucket

ROOT = "gs://tampered/folder"
_PREFIX = "folder/"


class TamperedBucket:
    """The objects below ROOT by name, each with its content; and the names of those that were deleted."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.deleted: list[str] = []


@contextlib.contextmanager
def tampered_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[TamperedBucket]:
    """Yields the objects of a running server that storage talks to."""
    served = TamperedBucket()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urllib.parse.urlsplit(self.path)
            _, _, name = address.path.partition("/o/")
            if not name:
                items = [_described(name, content) for name, content in served.objects.items()]
                self._answer(json.dumps({"items": items}).encode())
                return
            content = served.objects.get(urllib.parse.unquote(name).removeprefix(_PREFIX))
            if content is None:
                self._answer(b"{}", 404)
            elif "alt=media" in address.query:
                self._answer(content)
            else:
                self._answer(json.dumps(_described(name, content)).encode())

        def do_DELETE(self) -> None:
            served.deleted.append(urllib.parse.unquote(self.path.partition("/o/")[2]).removeprefix(_PREFIX))
            self._answer(b"", 204)

        def _answer(self, content: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        _forget_client()  # of an earlier test with another server
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        try:
            yield served
        finally:
            _forget_client()
            server.shutdown()
            thread.join()


def _forget_client() -> None:
    """Closes what the process's client keeps open, which would be a warning in whatever test runs later."""
    if bucket._made_client.cache_info().currsize:
        bucket._client()._http.close()
        bucket._made_client.cache_clear()


def _described(name: str, content: bytes) -> dict[str, str]:
    return {"name": f"{_PREFIX}{name}", "size": str(len(content)), "generation": "1"}
