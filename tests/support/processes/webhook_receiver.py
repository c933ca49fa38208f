"""A receiver of webhooks on this machine that fails, redirects, drips and falls silent, and what tells it of a run."""

import contextlib
import http.server
import sys
import threading
from typing import Any, Self

from components.contracts import RunRecord
from pipeline.run_records.delivery import DeliveryState, deliver, read_delivery
from pipeline.run_records.webhook import Webhook

SECRET = "a secret of 24 characters"
ROOT = "gs://b/data"  # data_root of the runs


class Receiver(http.server.ThreadingHTTPServer):
    """Answers as it is told, and then with 204.

    Attributes:
      answers: What to do with the next requests: a status, (status, headers), "silent", "drip".
      came: All that came, as (path, headers, body).
    """

    daemon_threads = True

    def __init__(self, *answers: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.left = list(answers), threading.Event()
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook?token=hidden"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that has gone, or refuses a certificate, is meant to
            super().handle_error(request, client_address)

    def __exit__(self, *_: object) -> None:
        self.left.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((self.path, dict(self.headers), body))
        answer = self.server.answers.pop(0) if self.server.answers else 204
        if answer == "silent":
            self.server.left.wait()
        elif answer == "drip":
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
                    self.wfile.write(bytes([byte]))
                    if self.server.left.wait(0.05):
                        return
        else:
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()


def tell(url: str, record: RunRecord, **options: Any) -> list[str]:
    """Tells a webhook of a run; returns the warnings."""
    warned: list[str] = []
    deliver(ROOT, record, Webhook(url, SECRET, **{"is_private": True, **options}), warned.append)
    return warned


def delivery_state(run_id: str = "run-1") -> DeliveryState:
    """Returns what is written down of the event of a run."""
    found = read_delivery(ROOT, run_id)
    assert found is not None
    return found.state
