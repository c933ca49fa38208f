"""Who waits for a server hears so every few seconds, and only then."""

import time

import pytest

from components.waiting import Waiting


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def waiting(lines: list[str]) -> Waiting:
    made = Waiting(seconds=0.4)
    made.say = lines.append
    return made


def test_what_is_waited_for_is_said_again_and_again_with_its_reason(waiting: Waiting, lines: list[str]) -> None:
    with waiting.asking("'gs://b/x'"):
        waiting.failed("503 Service Unavailable")
        deadline = time.monotonic() + 20
        while len(lines) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    said = len(lines)
    assert said >= 2
    assert lines[0].startswith("waiting for 'gs://b/x' for ")
    assert lines[0].endswith(" s (503 Service Unavailable); still trying")
    time.sleep(1.2)
    assert len(lines) == said, "nobody waits any more"


def test_answers_and_long_sending_are_no_waiting(waiting: Waiting, lines: list[str]) -> None:
    with waiting.asking("'gs://b/x'"):
        for _ in range(12):
            time.sleep(0.1)
            waiting.heard()
        with waiting.sending():
            time.sleep(1.2)
    assert lines == []


def test_lines_go_where_the_step_writes_for_as_long_as_it_runs(waiting: Waiting, lines: list[str]) -> None:
    told: list[str] = []
    with waiting.through(told.append), waiting.asking("'gs://b/x'"):
        time.sleep(1.5)
    assert told
    assert lines == []
    assert waiting.say == lines.append
