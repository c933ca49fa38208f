"""Which requests no path sees: those of foreign web pages, and those that two programs could read in two ways."""

import contextlib
import socket
import time

import pytest
from serving import INFER, images_of, in_json, served
from starlette.datastructures import Headers

from components.errors import SettingsError
from components.serve.guard import check_headers
from components.serve.refusal import Refusal
from components.serve.settings import ServeSettings

JSON = "Content-Type: application/json"


def headers_of(*pairs):
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])


def asked(server, lines, body=b"", *later):
    """Returns all that is answered to some lines and a body, and to what follows later, until the connection ends."""
    host, port = server.url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        for part in later:
            time.sleep(0.3)
            connection.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                answer += part
    return answer


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ((), None),  # HTTP/1.0
        ((), "localhost"),
        ((), "LocalHost.:8000"),
        ((), "tiles.localhost:8000"),
        ((), "127.0.0.1:8000"),
        ((), "[::1]:8000"),
        ((), "10.1.2.3"),  # no name, so nobody can make it resolve to another machine
        (("tiles.example.org",), "Tiles.Example.org:443"),
        (("*",), "evil.example"),
    ],
)
def test_a_server_is_asked_by_the_names_that_it_knows(names, host):
    check_headers("POST", headers_of(*([] if host is None else [("Host", host)])), names)


@pytest.mark.parametrize(
    ("names", "host", "text"),
    [
        ((), "evil.example:8000", r"not known by the name 'evil\.example'; if it is yours, .* --host-names"),
        ((), "127.0.0.1.evil.example", r"not known by the name"),
        ((), "localhost.evil.example", r"not known by the name"),
        ((), "evillocalhost", r"not known by the name"),
        (("example.org",), "evil.example.org", r"not known by the name"),
        ((), "0x7f000001", r"not known by the name"),
        ((), "", r"Host must be a name or an address, and perhaps a port; got ''"),
        ((), "localhost:8000@evil.example", r"Host must be a name or an address"),
        ((), "[::1]evil", r"Host must be a name or an address"),
        (("*",), "a b", r"Host must be a name or an address"),
    ],
)
def test_a_page_whose_name_was_made_to_resolve_here_is_refused(names, host, text):
    with pytest.raises(Refusal, match=text):
        check_headers("GET", headers_of(("Host", host)), names)


@pytest.mark.parametrize(
    ("pairs", "is_let_in"),
    [
        ([], True),  # a program
        ([("Origin", "http://localhost:8000")], True),
        ([("Origin", "http://LOCALHOST:8000")], True),
        ([("Origin", "https://tiles.example.org")], True),  # a name that it was given
        ([("Origin", "http://localhost:3000")], False),
        ([("Origin", "http://evil.example")], False),
        ([("Origin", "null")], False),  # a page in a sandbox, or a file
        ([("Origin", "")], False),
        ([("Sec-Fetch-Site", "same-origin"), ("Origin", "https://behind.a.proxy")], True),
        ([("Sec-Fetch-Site", "none")], True),
        ([("Sec-Fetch-Site", "same-site")], False),
        ([("Sec-Fetch-Site", "cross-site"), ("Origin", "http://localhost:8000")], False),
    ],
)
def test_only_pages_of_this_server_may_ask(pairs, is_let_in):
    headers = headers_of(("Host", "localhost:8000"), *pairs)
    check_headers("GET", headers, ("tiles.example.org",))  # whose answer no foreign page can read
    with contextlib.nullcontext() if is_let_in else pytest.raises(Refusal, match="is not of this server"):
        check_headers("POST", headers, ("tiles.example.org",))


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([("Content-Length", "2"), ("Transfer-Encoding", "chunked")], r"got both; give one"),
        ([("Inference-Header-Content-Length", "2")] * 2, r"inference-header-content-length is given twice"),
        ([("Content-Type", "a/b"), ("content-type", "c/d")], r"content-type is given twice"),
        ([("Host", "localhost")], r"host is given twice"),
        ([("X", "a" * 33_000)], r"headers of a request may have 32,768 bytes, got 33,0\d\d"),
    ],
)
def test_headers_that_two_programs_could_read_in_two_ways_are_refused(pairs, text):
    with pytest.raises(Refusal, match=text):
        check_headers("POST", headers_of(("Host", "localhost"), *pairs), ())


@pytest.mark.parametrize("names", ["http://a.example", "a.example:80", "a b", "a.example/", "*.example.org", "-"])
def test_what_is_no_name_of_a_host_is_refused(names):
    with pytest.raises(SettingsError, match="host_names must be names of hosts"):
        ServeSettings(host_names=names)


def test_names_may_have_blanks_between_them():
    assert ServeSettings(host_names="A.example, b ,").names == ("a.example", "b")


def test_a_foreign_page_gets_nothing_from_a_server_of_this_machine(server, models):
    with server.client() as client:
        for path in ("/", "/v2", "/v2/models/agrivision", "/metrics"):
            response = client.get(path, headers={"Host": "evil.example"})
            assert response.status_code == 403
            assert "access-control-allow-origin" not in response.headers
        simple = client.post(
            INFER, json=in_json(images_of(models.tiles[:1])), headers={"Origin": "http://evil.example"}
        )
        own = client.post(INFER, json=in_json(images_of(models.tiles[:1])), headers={"Origin": server.url})
        text = client.get("/metrics").text

    assert (simple.status_code, own.status_code) == (403, 200)
    assert simple.json()["error"].startswith("the page 'http://evil.example' is not of this server")
    assert 'agrivision_serve_turned_away_total{reason="foreign_host"} 4.0' in text
    assert 'agrivision_serve_turned_away_total{reason="foreign_page"} 1.0' in text


def test_a_server_is_known_by_the_names_that_it_was_given(models):
    with served(models.uri, "--host-names", "tiles.example.org") as running, running.client() as client:
        found = [client.get("/v2", headers={"Host": host}).status_code for host in ("tiles.example.org", "x.example")]

    assert found == [200, 403]


def test_a_request_with_two_lengths_ends_its_connection_unread(server):
    smuggled = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    lines = [f"POST {INFER} HTTP/1.1", "Host: localhost", JSON, "Content-Length: 7", "Transfer-Encoding: chunked"]

    answer = asked(server, lines, b"2\r\n{}\r\n0\r\n\r\n" + smuggled)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_who_asks_before_sending_too_much_is_refused_at_once(server):
    lines = [f"POST {INFER} HTTP/1.1", "Host: localhost", JSON, "Expect: 100-continue", "Content-Length: 99999999"]
    started = time.monotonic()

    answer = asked(server, lines)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - started < 1.5


def test_what_follows_an_answer_and_is_no_http_ends_the_connection_and_logs_nothing(server):
    lines = ["POST /nowhere HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked"]

    answer = asked(server, lines, b"2\r\n{}\r\n", b"ZZ\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert [line for line in server.lines if not line.startswith("serve | ")] == []
