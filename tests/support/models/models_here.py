"""Runs models in this process, which has loaded TensorFlow already: the same messages, but no other process."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from components.push import building, over_http
from components.saved_model import answering, asking


@contextlib.contextmanager
def thread_of(work: Callable[..., None], folder: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Yields the pipes to and from a thread that works like a process would."""
    (requests, to_thread), (from_thread, replies) = os.pipe(), os.pipe()

    def run() -> None:
        gone = contextlib.suppress(BrokenPipeError)
        with gone, os.fdopen(requests, "rb") as incoming, os.fdopen(replies, "wb") as outgoing:
            work(folder, incoming, outgoing)

    thread = threading.Thread(target=run)
    thread.start()
    with os.fdopen(from_thread, "rb") as stdout, os.fdopen(to_thread, "wb") as stdin:
        yield stdin, stdout
    thread.join()


@contextlib.contextmanager
def model_thread(folder: Path) -> Iterator[asking.ModelProcess]:
    with thread_of(answering.answer_requests, folder) as (stdin, stdout):
        yield asking.ModelProcess(stdin, stdout, stdin.close)


def run_models_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves a test the seconds that a process takes to load TensorFlow."""
    monkeypatch.setattr(asking, "_model_process", model_thread)
    monkeypatch.setattr(over_http, "_NEEDED", ("no_server_in_tests",))  # it would load TensorFlow, too
    monkeypatch.setattr(building, "_building_process", lambda folder: thread_of(building.build_as_told, folder))


@pytest.fixture
def models_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs models in the test's process."""
    run_models_here(monkeypatch)
