"""A server ends well, whatever it is doing."""

import concurrent.futures
import contextlib
import os
import signal
import time

import pytest
from serving import children_of, number_of, outputs_of, post, served, stopped_model, wait_until

pytestmark = pytest.mark.slow


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once_and_well(models, number):
    with served(models.uri) as running:
        processes = children_of(running.process.pid)
        started = time.monotonic()

        assert running.end(number) == 0
        assert time.monotonic() - started < 5
        assert [each for each in processes if os.path.exists(f"/proc/{each}")] == []


@pytest.mark.long
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


@pytest.mark.long
def test_a_server_that_is_still_loading_says_so_and_can_be_ended(models):
    with served(models.uri, is_ready=False) as running, running.client() as client:
        assert client.get("/v2/health/live").status_code == 200
        ready = client.get("/v2/health/ready")
        assert (ready.status_code, ready.json()["error"]) == (503, "no model is loaded yet")
        assert running.end() == 0
