"""A pod's log, read over connections that break: every line once."""

import pytest

from components.train.launch.pods.log_stream import LineCounter

LINES = [
    ("2026-11-24T15:00:00.1Z", "a"),
    ("2026-11-24T15:00:00.123456789Z", "b"),
    ("2026-11-24T15:00:00.123456789Z", "b"),  # two at the same time, and alike
    ("2026-11-24T15:00:00.123456789Z", "c"),
    ("2026-11-24T15:00:00.5Z", "d: 1 | 2"),
    ("2026-11-24T15:00:01Z", "e"),
    ("2026-11-24T15:00:01.000000001Z", ""),
    ("2026-11-24T15:00:07.25Z", "f"),
]


def served(since: str) -> bytes:
    """Returns the log from a second on, as Kubernetes does."""
    return b"".join(f"{time} {text}\n".encode() for time, text in LINES if time[:19] >= since[:19])


@pytest.mark.parametrize("num_bytes", [1, 7, 40, 61, 150])
def test_a_log_is_read_once_however_often_the_connection_breaks(num_bytes: int) -> None:
    counter = LineCounter()
    got: list[str] = []
    for attempt in range(1, 400):
        # Each connection breaks later than the one before, in the middle of whatever it carries.
        content = served(counter.since.get("sinceTime", ""))[: num_bytes * attempt]
        got += counter.new_lines(content[start : start + 5] for start in range(0, len(content), 5))
    assert got == [text for _, text in LINES]
