"""A bucket that does not answer is waited for with a line every few seconds; one that refuses is not waited for."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@contextmanager
def bucket_that_answers(status: int) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = json.dumps({"error": {"code": status, "message": "as the test wants it"}}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def verify(**variables: str) -> "subprocess.Popen[str]":
    code = "import sys; from pipeline.cli import main; sys.argv[1:] = ['verify', 'gs://bucket/m.json']; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.long
def test_while_it_is_asked_again_a_line_every_few_seconds_says_so() -> None:
    with bucket_that_answers(503) as url, verify(STORAGE_EMULATOR_HOST=url) as process:
        first = process.stderr.readline()
        began = time.monotonic()
        second = process.stderr.readline()
        waited = time.monotonic() - began
        process.kill()
    assert first.startswith("waiting for 'gs://bucket/m.json' for ")
    assert first.endswith(" s (503 Service Unavailable); still trying\n")
    assert second.startswith("waiting for 'gs://bucket/m.json' for ")
    assert 2 < waited < 30


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_it_at_once(status: int) -> None:
    with bucket_that_answers(status) as url, verify(STORAGE_EMULATOR_HOST=url) as process:
        (line,) = process.stderr
        assert process.wait() == 42
    assert line.startswith(("agrivision: no access to 'gs://bucket/m.json': ", "agrivision: no credentials for 'gs://"))


def test_a_file_of_credentials_that_is_none_is_refused_and_not_done_without(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    with verify(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "key.json"), STORAGE_EMULATOR_HOST="") as process:
        (line,) = process.stderr
        assert process.wait() == 42
    assert line.startswith("agrivision: no credentials for 'gs://bucket/m.json': ")
