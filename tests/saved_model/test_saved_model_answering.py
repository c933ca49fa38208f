"""What the process of a model works on at once: one request, or two small ones. Replies come in order."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from models_here import model_thread

from components.saved_model import answering
from components.saved_model.messages import (
    LARGEST_REPLY_BYTES,
    LARGEST_REQUEST_BYTES,
    Reply,
    Request,
    receive,
    send,
    send_pixels,
)

TILE = {"rgb": np.zeros((1, 2, 2, 3), np.uint8)}
MEETING_SECONDS = 2.0  # in which two requests that are worked on at once meet; others wait for it in vain


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> threading.Barrier:
    """The model's functions answer once two of them run at the same time; `number` says which has come first."""
    barrier = threading.Barrier(2)

    def meet(rgb: object) -> dict[str, object]:
        barrier.wait(MEETING_SECONDS)
        return {}

    functions = {"decoded": (meet, ("rgb",)), "masked": (meet, ("rgb",)), "alone": (lambda rgb: {}, ("rgb",))}
    monkeypatch.setattr(answering, "_load", lambda folder: functions)
    return barrier


def replies_to(folder: Path, *requests: tuple[str, bool]) -> list[str]:
    """Returns the error of each reply, empty for an answer; `requests` are functions, and whether each is small."""
    with model_thread(folder) as process:
        receive(process.replies, Reply, LARGEST_REPLY_BYTES)
        for function, is_small in requests:
            send_pixels(process.requests, function, TILE, is_small=is_small)
        found = [receive(process.replies, Reply, LARGEST_REPLY_BYTES) for _ in requests]
    return [reply.error for reply in found if reply is not None]


def test_two_small_requests_are_worked_on_at_once(tmp_path: Path, meeting: threading.Barrier) -> None:
    assert replies_to(tmp_path, ("decoded", True), ("decoded", True)) == ["", ""]


@pytest.mark.parametrize("small", [(True, False), (False, True), (False, False)])
def test_a_request_that_is_not_small_is_worked_on_alone(
    tmp_path: Path, meeting: threading.Barrier, small: tuple[bool, bool]
) -> None:
    assert [each.split(":")[0] for each in replies_to(tmp_path, *(("decoded", each) for each in small))] == [
        "BrokenBarrierError"
    ] * 2


def test_files_are_worked_on_alone(tmp_path: Path, meeting: threading.Barrier) -> None:
    """Nobody knows how much memory they take once they are decoded."""
    with model_thread(tmp_path) as process:
        receive(process.replies, Reply, LARGEST_REPLY_BYTES)
        for _ in range(2):
            send(process.requests, Request("masked", {"rgb": (b"a",)}))
        found = [receive(process.replies, Reply, LARGEST_REPLY_BYTES) for _ in range(2)]
    assert all(reply is not None and "BrokenBarrierError" in reply.error for reply in found)


def test_replies_come_in_the_order_of_the_requests(tmp_path: Path, meeting: threading.Barrier) -> None:
    """The second is done at once, while the first waits in vain."""
    first, second = replies_to(tmp_path, ("decoded", True), ("alone", True))
    assert "BrokenBarrierError" in first
    assert second == ""


def test_a_request_that_waits_for_its_turn_is_not_overtaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends several ahead would wait for two others before this one, within its limit of time."""
    worked_on: list[str] = []

    def function_of(name: str) -> Callable[..., dict[str, object]]:
        def work(rgb: object) -> dict[str, object]:
            worked_on.append(name)
            time.sleep(0.1)  # in which the next ones come
            return {}

        return work

    names = ["a", "b", "c", "d", "e"]
    monkeypatch.setattr(answering, "_load", lambda folder: {name: (function_of(name), ("rgb",)) for name in names})

    assert replies_to(tmp_path, *((name, False) for name in names)) == [""] * len(names)
    assert worked_on == names


def test_a_process_that_has_no_memory_to_read_a_request_ends() -> None:
    """Whoever asks it would wait until the limit of time."""
    limited = (
        "import pathlib, resource, sys; from components.saved_model import answering; answering._load = lambda _: {}; "
        f"resource.setrlimit(resource.RLIMIT_DATA, ({1 << 29}, {1 << 29})); "
        "answering.answer_requests(pathlib.Path(), sys.stdin.buffer, sys.stdout.buffer)"
    )
    command, pipe = [sys.executable, "-c", limited], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert receive(process.stdout, Reply, LARGEST_REPLY_BYTES) == Reply()
            send(process.stdin, Request("decoded", pixels={"rgb": (LARGEST_REQUEST_BYTES,)}))
            process.wait(timeout=20)
        finally:
            process.kill()


def test_a_function_that_fails_leaves_the_turn_to_the_next(tmp_path: Path, meeting: threading.Barrier) -> None:
    first, second, third = replies_to(tmp_path, ("nothing", False), ("alone", False), ("alone", False))
    assert first.startswith("KeyError")
    assert (second, third) == ("", "")
