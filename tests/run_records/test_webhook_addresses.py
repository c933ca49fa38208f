"""Where a webhook may be: no redirect, no private network, the certificate of its name; and its address is no news."""

import re
import socket
import ssl
import subprocess

import pytest
from command_here import agrivision_here
from test_run_record_file import LATE
from webhook_receiver import ROOT, SECRET, Receiver, tell

from components import storage
from components.errors import SettingsError
from pipeline.run_records import webhook
from pipeline.run_records.delivery import delivery_uri
from pipeline.run_records.webhook import Webhook

pytestmark = pytest.mark.usefixtures("told_soon")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(status):
    with Receiver() as other, Receiver((status, {"Location": other.url})) as receiver:
        (warning,) = tell(receiver.url, LATE)

    assert other.came == []
    assert len(receiver.came) == 1
    assert f"answered {status}, which is not followed" in warning


def test_a_closed_port_is_a_warning_without_the_address():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    (warning,) = tell(f"http://127.0.0.1:{port}/hook/hidden?token=hidden", LATE)

    assert warning.startswith(f"http://127.0.0.1:{port} was not told of the end of run run-1: no answer")
    assert "hidden" not in warning
    assert SECRET not in warning
    assert "hidden" not in storage.read_bytes(delivery_uri(ROOT, "run-1")).decode()


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

    (warning,) = tell(f"{scheme}://hook.example.com/", LATE, is_private=is_private)

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
        told = tell(f"https://localhost:{receiver.server_port}/hook", LATE)

    assert len(told) == warnings
    assert len(receiver.came) == 1 - warnings


def test_neither_secret_nor_path_is_in_what_a_log_would_show():
    hook = Webhook("https://example.com:8443/services/hidden?token=hidden", SECRET)

    assert str(hook) == "https://example.com:8443"
    assert "hidden" not in repr(hook)
    assert SECRET not in repr(hook)


def test_a_webhook_without_a_secret_is_refused_before_anything_is_asked(server, monkeypatch):
    done = agrivision_here("collect", f"--host={server.url}", "--webhook=https://example.com/hook")

    assert done.returncode == 2
    assert "AGRIVISION_WEBHOOK_SECRET must have at least 16 characters" in done.stderr
    assert server.requests == []
