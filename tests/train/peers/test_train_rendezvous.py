"""Peers meet although strangers knock: a stranger loses its own connection, and nothing else happens."""

import concurrent.futures
import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from train_fixtures import free_address

from components.train.peers import rendezvous
from components.train.peers.cluster import meet_peers
from components.train.peers.rendezvous import LostPeer, Meeting, joined, wait_for_release

NONCE = "0123456789abcdef"
HELLO = b"worker 1 " + rendezvous._proof(NONCE, "hello", "worker 1")


@pytest.fixture
def meeting() -> Iterator[tuple[Meeting, str]]:
    address = free_address()
    with contextlib.closing(Meeting(address, NONCE, ["worker 1", "worker 2"])) as meeting:
        yield meeting, address


def knock(address: str, said: bytes) -> bytes:
    """Returns what the meeting answers to a stranger."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5.0) as connection:
        connection.sendall(said)
        with contextlib.suppress(ConnectionError):  # closed while it had not read all
            return connection.recv(100)
    return b""


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),  # a TLS hello
        b"\n",
        b"1",
        b"x" * 100_000,
        b"\xff\xfe\n",
        b"worker 1\n",
        b"worker 1 " + rendezvous._proof("another", "hello", "worker 1") + b"\n",
        b"worker 2 " + rendezvous._proof(NONCE, "hello", "worker 1") + b"\n",  # of another worker
        b"worker 3 " + rendezvous._proof(NONCE, "hello", "worker 3") + b"\n",  # of a gang of other size
        b"worker 1 " + rendezvous._proof(NONCE, "go", "worker 1") + b"\n",  # what the meeting itself says
    ],
    ids=["http", "tls", "empty", "old", "long", "binary", "no proof", "wrong nonce", "of another", "too many", "echo"],
)
def test_a_stranger_loses_its_connection_and_nothing_else(
    meeting: tuple[Meeting, str], said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous, "_HELLO_SECONDS", 0.3)
    there, address = meeting
    assert knock(address, said) == b""
    names = ["worker 1", "worker 2"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(released, address, name) for name in names]
        there.wait(5.0)
        there.release()
        assert [each.result(timeout=5.0) for each in waiting] == [True, True]


def released(address: str, name: str, nonce: str = NONCE) -> bool:
    with joined(address, nonce, name, 5.0) as connection:
        return wait_for_release(connection, nonce, name, 5.0)


def test_strangers_who_say_nothing_keep_nobody_waiting(meeting: tuple[Meeting, str]) -> None:
    there, address = meeting
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as silent:
        for _ in range(50):
            silent.enter_context(socket.create_connection((host, int(port))))
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = [pool.submit(released, address, name) for name in ("worker 1", "worker 2")]
            there.wait(5.0)
            there.release()
            assert all(each.result(timeout=5.0) for each in waiting)
        assert time.monotonic() - started < 3.0


def test_a_process_that_was_started_again_takes_the_place_of_the_one_before(meeting: tuple[Meeting, str]) -> None:
    there, address = meeting
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(released, address, "worker 1")
        time.sleep(0.2)
        others = [pool.submit(released, address, name) for name in ("worker 1", "worker 2")]
        time.sleep(0.2)
        there.wait(5.0)
        there.release()
        assert [each.result(timeout=5.0) for each in (first, *others)] == [False, True, True]


def test_a_worker_is_not_released_by_somebody_who_took_the_port_of_worker_0() -> None:
    address = free_address()
    host, _, port = address.rpartition(":")
    with socket.create_server((host, int(port))) as server, concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(released, address, "worker 1")
        connection, _ = server.accept()
        with connection:
            assert NONCE.encode() not in connection.recv(200), "the nonce is never sent"
            connection.sendall(b"go".ljust(64))
            assert waiting.result(timeout=5.0) is False


def test_who_is_missing_is_said_and_nobody_trains_without_them() -> None:
    address = free_address()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        present = [pool.submit(meet_peers, address, NONCE, worker, 3, 1.0) for worker in (0, 1)]
        with pytest.raises(LostPeer, match=r"worker 0 of 3 gave up waiting .* after 1 s: worker 2 never came"):
            present[0].result(timeout=10.0)
        with pytest.raises(LostPeer, match="worker 1 of 3 gave up waiting for its peers after 1 s: "):
            present[1].result(timeout=10.0)
