"""A server's bounds hold: its queue, its connections, slow clients, and its end."""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from serving import INFER, ROOT, children_of, images_of, in_binary, outputs_of, post, served

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


def number_of(client, name):
    return float(re.search(rf"^agrivision_serve_{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)[1])


@contextlib.contextmanager
def stopped_model(running):
    """Lets the model's process sleep, so that whatever is asked waits."""
    process = max(children_of(running.process.pid))
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def raw_request(models, first=0, last=4):
    body, headers = in_binary(images_of(models.tiles[first:last]))
    lines = [f"POST {INFER} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), body


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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


def test_at_sigterm_accepted_requests_are_answered_and_new_ones_refused(models):
    with served(models.uri) as running, running.client() as client, running.client() as another:
        assert another.get("/v2/health/live").status_code == 200
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            with stopped_model(running):
                accepted = [pool.submit(post, client, models.tiles[first : first + 4]) for first in (0, 4, 8, 12)]
                wait_until(lambda: number_of(another, "queue_tiles") == 16)
                running.process.terminate()
                running.wait_for_line("ending; requests that are answered first: 4")
                on_old, ready = post(another, models.tiles[:1]), another.get("/v2/health/ready")
                with running.client() as late:
                    on_new = post(late, models.tiles[:1])
            answers = [future.result() for future in accepted]

        assert [outputs_of(answer)["probabilities"].shape for answer in answers] == [(4, 3)] * 4
        assert [each.status_code for each in (on_old, ready, on_new)] == [503] * 3
        assert on_new.json()["error"] == "the server is ending; ask another"
        assert running.process.wait(timeout=20) == 0
        assert running.wait_for_line("ended; every request was answered")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once_and_well(models, number):
    with served(models.uri) as running:
        processes = children_of(running.process.pid)
        started = time.monotonic()

        assert running.end(number) == 0
        assert time.monotonic() - started < 5
        assert [each for each in processes if os.path.exists(f"/proc/{each}")] == []


def test_the_end_comes_even_if_the_model_does_not_answer(models):
    with served(models.uri, "--drain-seconds", "1") as running, running.client() as client:
        with concurrent.futures.ThreadPoolExecutor(1) as pool, stopped_model(running):
            asked = pool.submit(post, client, models.tiles[:4])
            wait_until(lambda: number_of(client, "queue_tiles") == 4)
            started = time.monotonic()

            assert running.end() == 0
            assert time.monotonic() - started < 12
            with contextlib.suppress(Exception):
                assert asked.result().status_code == 503
        running.wait_for_line("ended with 1 requests unanswered")


def test_a_server_that_is_still_loading_says_so_and_can_be_ended(models):
    with served(models.uri, is_ready=False) as running, running.client() as client:
        assert client.get("/v2/health/live").status_code == 200
        ready = client.get("/v2/health/ready")
        assert (ready.status_code, ready.json()["error"]) == (503, "no model is loaded yet")
        assert running.end() == 0


def run(*arguments, **variables):
    command = [sys.executable, "-m", "pipeline.cli", "serve", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_what_cannot_be_served_ends_with_one_line(models, tmp_path):
    rows = [
        ((str(tmp_path),), 2, r"no model at '.*': it has neither a channel 'production' that names a version nor card"),
        ((str(models.uri), "--channel", "nobody"), 2, "no model at .*'nobody'"),
        ((str(models.uri), "--channel", "../x"), 2, "a channel is named by lower-case letters"),
        ((str(models.uri), "--batch-tiles", "0"), 2, "batch_tiles must be between 1 and 256, got 0"),
        ((str(models.uri), "--request-tiles", "65"), 2, "request_tiles must be at most queue_tiles, 64"),
        ((str(models.uri), "--tile-pixels", "20000000"), 2, "tile_pixels must be at most request_pixels, 16,777,216"),
        ((str(models.uri), "--request-pixels", "99000000"), 2, "request_pixels must be at most queue_pixels, 67,108,8"),
        ((str(models.uri), "--request-mib", "300"), 2, "request_mib must be at most held_mib, 256"),
        ((str(models.uri), "--name", "a/b"), 2, "name must be letters, digits"),
        ((str(models.uri), "--host", "no such host"), 2, "cannot listen on 'no such host' port 0"),
    ]
    for arguments, code, text in rows:
        found, said = run(*arguments, "--port", "0")
        assert (found, len(re.findall(text, said))) == (code, 1), said
        assert "Traceback" not in said


def test_where_no_file_may_grow_the_model_is_not_copied_and_one_line_says_so(models):
    command = f"ulimit -f 4; exec {sys.executable} -m pipeline.cli serve {models.uri} --port 0"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, text=True, capture_output=True, timeout=120)

    assert done.returncode == 42, done.stderr
    assert re.search(r"cannot write under '.*': File too large; raise the limit of file sizes", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(models):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code, said = run(str(models.uri), "--port", port)

    assert code == 2
    assert f"cannot listen on '127.0.0.1' port {port}: Address already in use; choose another" in said


def test_without_the_extra_one_line_says_how_to_install_it(models, tmp_path):
    # A folder in front of the others, in which the package is there and cannot be found as one.
    hide = (
        "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'uvicorn' else f(n, *a)"
    )
    (tmp_path / "sitecustomize.py").write_text(hide)

    code, said = run(str(models.uri), PYTHONPATH=f"{tmp_path}:{ROOT}")

    assert code == 2
    assert (
        "agrivision serve needs uvicorn, which is not installed here; run pip install 'agrivision-kfp[serve]'" in said
    )


def test_others_are_let_in_only_if_wanted_and_with_a_warning(models):
    with served(models.uri, is_ready=False) as running:
        assert re.search(r"listening on http://127\.0\.0\.1:\d+$", running.lines[0].strip())
        assert running.end() == 0
        assert "warning" not in "".join(running.lines)
    with served(models.uri, "--host", "0.0.0.0", is_ready=False) as running:
        running.wait_for_line("warning: others can reach this address")
        assert running.end() == 0


def test_nothing_but_the_log_is_printed_and_no_line_is_a_traceback(models):
    with served(models.uri) as running, running.client() as client:
        threads = [threading.Thread(target=post, args=(client, models.tiles[:2])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        running.end()
        time.sleep(0.3)

    assert [line for line in running.lines if not line.startswith("serve | ")] == []
