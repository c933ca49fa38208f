"""The webhook, against receivers on this machine that fail, redirect, drip and fall silent."""

import contextlib
import datetime
import hashlib
import hmac
import http.server
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

import msgspec
import pytest
from command_here import agrivision_here
from kubeflow_past import add_run, past_run
from test_run_record_file import LATE

from components import storage
from components.contracts import RecordedOutcome
from components.errors import SettingsError
from components.run_records.record_file import keep_record, record_uri, recorded_runs
from pipeline.local.watch import LocalRun, RunFailed
from pipeline.run_records import webhook
from pipeline.run_records.delivery import DeliveryState, deliver, delivery_uri, read_delivery
from pipeline.run_records.event import SIGNATURE_HEADER, TIMESTAMP_HEADER, event_body
from pipeline.run_records.local_record import record_local_run
from pipeline.run_records.webhook import Webhook

SECRET = "a secret of 24 characters"
ROOT = "gs://b/data"


class Receiver(http.server.ThreadingHTTPServer):
    """Answers as it is told, and then with 204.

    Attributes:
      answers: What to do with the next requests: a status, (status, headers), "silent", "drip".
      came: All that came, as (path, headers, body).
    """

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.came, self.left = list(answers), [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/hook?token=hidden"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # a client that has gone, or refuses a certificate, is meant to
            super().handle_error(request, client_address)

    def __exit__(self, *_):
        self.left.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
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


@pytest.fixture(autouse=True)
def soon(monkeypatch, bucket):
    """Neither patience nor pauses that a test would wait for."""
    monkeypatch.setattr(webhook, "PATIENCE_SECONDS", 5.0)
    monkeypatch.setattr(webhook, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr("components.retrying._FIRST_PAUSE_SECONDS", 0.01)
    keep_record(ROOT, LATE)


def tell(url, record=LATE, **options):
    warned = []
    deliver(ROOT, record, Webhook(url, SECRET, **{"is_private": True, **options}), warned.append)
    return warned


def state(run_id="run-1"):
    return read_delivery(ROOT, run_id).state


def test_the_event_is_a_signed_cloud_event_with_the_record():
    with Receiver() as receiver:
        assert tell(receiver.url) == []

    ((path, headers, body),) = receiver.came
    event = json.loads(body)
    assert path == "/hook?token=hidden"
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert {name: event[name] for name in event if name != "data"} == {
        "specversion": "1.0",
        "id": "run-1/pushed",
        "source": ROOT,
        "type": "io.agrivision.run.ended",
        "subject": "runs/run-1.json",
        "time": LATE.ended,
        "datacontenttype": "application/json",
    }
    assert msgspec.convert(event["data"], type(LATE), strict=False) == LATE
    signed = f"{headers[TIMESTAMP_HEADER]}.".encode() + body
    assert headers[SIGNATURE_HEADER] == f"v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    assert abs(int(headers[TIMESTAMP_HEADER]) - time.time()) < 60


@pytest.mark.parametrize("failures", [[500], [503, 429, 408], [502] * 4])
def test_a_receiver_that_fails_n_times_is_told_once_in_the_end(failures):
    with Receiver(*failures) as receiver:
        assert tell(receiver.url) == []
        assert tell(receiver.url) == []  # the next collect

    assert len(receiver.came) == len(failures) + 1
    assert len({body for _, _, body in receiver.came}) == 1
    assert state() is DeliveryState.DELIVERED


def test_a_receiver_is_left_alone_for_as_long_as_it_says():
    with Receiver((503, {"Retry-After": "1"})) as receiver:
        began = time.monotonic()
        assert tell(receiver.url) == []

    assert time.monotonic() - began >= 1


def test_one_that_asks_for_more_patience_than_there_is_is_told_by_the_next_collect():
    with Receiver((503, {"Retry-After": "3600"})) as receiver:
        (warning,) = tell(receiver.url)
        assert "answered 503; the next collect tries again" in warning
        assert state() is DeliveryState.UNDELIVERED
        assert tell(receiver.url) == []

    assert len(receiver.came) == 2
    assert state() is DeliveryState.DELIVERED


@pytest.mark.parametrize("answer", ["silent", "drip"])
def test_a_receiver_that_never_answers_costs_bounded_time(monkeypatch, answer):
    monkeypatch.setattr(webhook, "PATIENCE_SECONDS", 1.5)
    with Receiver(*[answer] * 99) as receiver:
        began = time.monotonic()
        (warning,) = tell(receiver.url)

    assert time.monotonic() - began < 15
    assert "no answer" in warning
    assert state() is DeliveryState.UNDELIVERED


def test_one_that_is_gone_is_never_asked_again():
    with Receiver(410) as receiver:
        assert tell(receiver.url) == []
        assert tell(receiver.url) == []

    assert len(receiver.came) == 1
    assert state() is DeliveryState.GONE


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(status):
    with Receiver() as other, Receiver((status, {"Location": other.url})) as receiver:
        (warning,) = tell(receiver.url)

    assert other.came == []
    assert len(receiver.came) == 1
    assert f"answered {status}, which is not followed" in warning


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_somebody_must_mend_is_not_repeated_at_once(status):
    with Receiver(status) as receiver:
        (warning,) = tell(receiver.url)

    assert len(receiver.came) == 1
    assert f"answered {status}" in warning


def test_a_closed_port_is_a_warning_without_the_address():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    (warning,) = tell(f"http://127.0.0.1:{port}/hook/hidden?token=hidden")

    assert warning.startswith(f"http://127.0.0.1:{port} was not told of the end of run run-1: no answer")
    assert "hidden" not in warning
    assert SECRET not in warning
    assert "hidden" not in storage.read_bytes(delivery_uri(ROOT, "run-1")).decode()


def test_delivering_changes_no_byte_of_the_record():
    before = storage.read_bytes(record_uri(ROOT, "run-1"))
    with Receiver(503) as receiver:
        tell(receiver.url)

    assert storage.read_bytes(record_uri(ROOT, "run-1")) == before


def test_another_outcome_is_another_event():
    other = msgspec.structs.replace(LATE, outcome=RecordedOutcome.REFUSED)
    with Receiver() as receiver:
        tell(receiver.url)
        tell(receiver.url, other)

    assert [json.loads(body)["id"] for _, _, body in receiver.came] == ["run-1/pushed", "run-1/refused"]


def test_the_same_record_gives_the_same_event():
    assert event_body(ROOT, LATE) == event_body(ROOT, LATE)
    assert json.loads(event_body("demo/data", LATE))["source"].startswith("file:///")


@pytest.mark.parametrize(
    ("url", "secret", "is_private", "message"),
    [
        ("http://example.com/hook", SECRET, False, "must be an https:// address"),
        ("ftp://example.com/hook", SECRET, True, "must be an https:// address"),
        ("file:///etc/passwd", SECRET, True, "must be an https:// address"),
        ("example.com", SECRET, True, "must be an https:// address"),
        ("https://", SECRET, True, "must be an https:// address"),
        ("https://user:hidden@example.com/hook", SECRET, False, "must hold no user and password"),
        ("https://example.com/hook", "", False, "must have at least 16 characters, got 0"),
        ("https://example.com/hook", "short", False, "must have at least 16 characters, got 5"),
    ],
)
def test_an_address_that_no_event_may_go_to_is_refused_before_the_run(url, secret, is_private, message):
    with pytest.raises(SettingsError, match=re.escape(message)) as raised:
        Webhook(url, secret, is_private)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    ("addresses", "scheme", "is_private", "message"),
    [
        (["127.0.0.1"], "https", False, "leads to a private address; allow that with --webhook-private"),
        (["169.254.169.254"], "https", False, "leads to a private address"),  # where clouds keep credentials
        (["::ffff:10.0.0.1"], "https", False, "leads to a private address"),
        (["fe80::1%eth0"], "https", False, "leads to a private address"),
        (["93.184.216.34", "10.0.0.1"], "https", False, "leads to a private address"),
        (["93.184.216.34"], "http", True, "leads to a public address, to which nothing is sent without https://"),
    ],
)
def test_a_name_is_judged_by_all_addresses_that_it_leads_to(monkeypatch, addresses, scheme, is_private, message):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    (warning,) = tell(f"{scheme}://hook.example.com/", is_private=is_private)

    assert message in warning


@pytest.mark.parametrize(
    ("certified", "warnings"),
    [("localhost", 0), ("example.com", 1)],  # the name in the address counts, though the connection goes to an IP
)
def test_tls_checks_the_name_that_was_given(tmp_path, monkeypatch, certified, warnings):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={certified}"]
    names = ["-addext", f"subjectAltName=DNS:{certified}", "-keyout", key, "-out", certificate]
    subprocess.run([*request, *names], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(webhook, "PATIENCE_SECONDS", 0.0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Receiver() as receiver:
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
        told = tell(f"https://localhost:{receiver.server_port}/hook")

    assert len(told) == warnings
    assert len(receiver.came) == 1 - warnings


def test_neither_secret_nor_path_is_in_what_a_log_would_show():
    hook = Webhook("https://example.com:8443/services/hidden?token=hidden", SECRET)

    assert str(hook) == "https://example.com:8443"
    assert "hidden" not in repr(hook)
    assert SECRET not in repr(hook)


def test_collect_delivers_each_event_once_though_the_receiver_is_away_at_first(server, monkeypatch):
    monkeypatch.setenv("AGRIVISION_WEBHOOK_SECRET", SECRET)
    add_run(server, past_run("run-a", "pushed"))
    add_run(server, past_run("run-b", "failed"), 200)
    command = ["collect", f"--host={server.url}", "--webhook-private"]
    with Receiver(404, 204) as receiver:
        monkeypatch.setenv("AGRIVISION_WEBHOOK", receiver.url)
        results = [agrivision_here(*command) for _ in range(3)]

    assert [done.returncode for done in results] == [0, 0, 0]  # it fails nothing
    assert "was not told of the end of run run-a: answered 404; the next collect tries again" in results[0].stderr
    assert [done.stderr for done in results[1:]] == ["", ""]
    assert [json.loads(body)["id"] for _, _, body in receiver.came] == ["run-a/pushed", "run-b/failed", "run-a/pushed"]


def test_the_webhook_is_told_of_a_run_on_this_machine_too(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    run = LocalRun(tmp_path / "runs/today", now, now, error=RunFailed("train failed: the loss is NaN", 42))
    with Receiver(503) as receiver:
        record_local_run(str(tmp_path), run, Webhook(receiver.url, SECRET, is_private=True), pytest.fail)

    (run_id,) = recorded_runs(str(tmp_path))
    assert [json.loads(body)["id"] for _, _, body in receiver.came] == [f"{run_id}/failed"] * 2
    assert read_delivery(str(tmp_path), run_id).state is DeliveryState.DELIVERED


def test_a_webhook_without_a_secret_is_refused_before_anything_is_asked(server, monkeypatch):
    done = agrivision_here("collect", f"--host={server.url}", "--webhook=https://example.com/hook")

    assert done.returncode == 2
    assert "AGRIVISION_WEBHOOK_SECRET must have at least 16 characters" in done.stderr
    assert server.requests == []
