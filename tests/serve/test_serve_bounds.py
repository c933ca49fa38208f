"""A server's bounds hold: its queue, its bytes, its connections, and slow clients."""

import concurrent.futures
import contextlib
import re
import socket
import time

import pytest
from serving import INFER, images_of, in_binary, number_of, outputs_of, post, served, stopped_model, wait_until

pytestmark = pytest.mark.slow


def connected(running):
    host, port = running.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def rest_of(connection):
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(4096):
            answer += part
    return answer


def raw_request(models, first=0, last=4):
    body, headers = in_binary(images_of(models.tiles[first:last]))
    lines = [f"POST {INFER} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), body


@pytest.mark.long
def test_beyond_the_queue_requests_get_503_and_those_within_are_answered(models):
    with served(models.uri, "--queue-tiles", "8", "--request-tiles", "8") as running, running.client() as client:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            with stopped_model(running):
                accepted = [pool.submit(post, client, models.tiles[first : first + 4]) for first in (0, 4)]
                wait_until(lambda: number_of(client, "queue_tiles") == 8)
                refused = post(client, models.tiles[:1])
            answers = [future.result() for future in accepted]

        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"] == "8 tiles wait, and at most 8 are accepted; ask again later"
        assert [outputs_of(answer)["probabilities"].shape for answer in answers] == [(4, 3), (4, 3)]
        assert outputs_of(post(client, models.tiles[:8]))


@pytest.mark.long
def test_beyond_the_pixels_that_may_wait_requests_get_503_and_those_of_too_many_get_413(models):
    tile = 48 * 48
    options = ["--tile-pixels", tile, "--request-pixels", 4 * tile, "--queue-pixels", 6 * tile, "--batch-pixels", tile]
    with served(models.uri, *map(str, options)) as running, running.client() as client:
        too_large = post(client, models.tiles[:5])
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with stopped_model(running):
                accepted = pool.submit(post, client, models.tiles[:4])
                wait_until(lambda: number_of(client, "queue_tiles") == 4)
                refused = post(client, models.tiles[:3])
            answer = accepted.result()

        assert too_large.status_code == 413
        assert too_large.json()["error"] == (
            "the 5 tiles have 11,520 pixels, at most 9,216 are taken in a request; send fewer tiles at once"
        )
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"] == "tiles of 9,216 pixels wait, and at most 13,824 are accepted; ask again later"
        assert outputs_of(answer)["probabilities"].shape == (4, 3)
        assert outputs_of(post(client, models.tiles[:4]))


@pytest.mark.long
def test_a_client_that_hangs_up_frees_its_place(models):
    with served(models.uri, "--queue-tiles", "8", "--request-tiles", "8") as running, running.client() as client:
        with concurrent.futures.ThreadPoolExecutor(1) as pool, stopped_model(running):
            connections = [connected(running) for _ in range(2)]
            for connection in connections:
                connection.sendall(b"".join(raw_request(models)))
            wait_until(lambda: number_of(client, "queue_tiles") == 8)
            for connection in connections:
                connection.close()
            wait_until(lambda: number_of(client, "queue_tiles") == 0)
            accepted = pool.submit(post, client, models.tiles[:8])
            wait_until(lambda: number_of(client, "queue_tiles") == 8)
        assert outputs_of(accepted.result())
        assert 'agrivision_serve_refused_total{reason="hung_up"} 2.0' in client.get("/metrics").text
        assert number_of(client, "held_bytes") == 0


@pytest.mark.long
def test_bytes_of_all_requests_together_are_bounded(models):
    with served(models.uri, "--request-mib", "1", "--held-mib", "1") as running, running.client() as client:
        with connected(running) as slow:
            head, _ = raw_request(models)
            slow.sendall(re.sub(rb"Content-Length: \d+", b"Content-Length: 1000000", head) + bytes(900_000))
            wait_until(lambda: number_of(client, "held_bytes") >= 900_000)
            refused = client.post(INFER, content=bytes(300_000), headers={"Content-Type": "application/json"})

        assert refused.status_code == 503
        assert refused.json()["error"] == "the requests that are being read take too many bytes; ask again later"
        wait_until(lambda: number_of(client, "held_bytes") == 0)
        assert outputs_of(post(client, models.tiles[:4]))


def test_clients_that_are_slow_are_cut_off(models):
    head, body = raw_request(models)
    with served(models.uri, "--header-seconds", "1", "--body-seconds", "1") as running:
        silent, half_a_head, half_a_body = connections = [connected(running) for _ in range(3)]
        half_a_head.sendall(head[:40])
        half_a_body.sendall(head + body[:1000])
        started = time.monotonic()
        answers = [rest_of(connection) for connection in connections]

        assert time.monotonic() - started < 6
        assert answers[:2] == [b"", b""]
        assert answers[2].startswith(b"HTTP/1.1 408 ")
        assert b'{"error":"the body must come within 1 s, got 1,000 bytes"}' in answers[2]
        for connection in (silent, half_a_head, half_a_body):
            connection.close()
        # One that drips is not given its time anew with every byte.
        with connected(running) as dripping:
            started = time.monotonic()
            with contextlib.suppress(OSError):
                for _ in range(50):
                    dripping.sendall(b"G")
                    time.sleep(0.1)
            assert time.monotonic() - started < 4


@pytest.mark.long
def test_connections_beyond_the_most_are_refused(models):
    with served(models.uri, "--max-connections", "4") as running:
        held = [connected(running) for _ in range(4)]
        time.sleep(0.3)
        with connected(running) as one_more:
            answer = rest_of(one_more)
        for connection in held:
            connection.close()
        time.sleep(0.3)

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        assert b'{"error":"4 connections are open, which is the most; ask again later"}' in answer
        with running.client() as client:
            assert number_of(client, "connections_refused_total") == 1
