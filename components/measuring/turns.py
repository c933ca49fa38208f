"""What a side does when it is its turn, and what its turn is worth."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

# Runs one turn and returns what it measured: a rate or a time, the same on all sides of a comparison.
Turn: TypeAlias = Callable[[], float]


def stream_turn(batches: Iterable[Any], batch_size: int, num_batches: int, num_warm: int = 6) -> Turn:
    """Returns a turn that takes batches from an endless stream, and measures items/s.

    The first `num_warm` batches of a turn are not timed, because they were in a buffer during the other side's turn.
    """
    started: list[Iterator[Any]] = []

    def turn() -> float:
        if not started:
            started.append(iter(batches))  # not earlier, because most start to read ahead
        for _ in range(num_warm):
            next(started[0])
        start = time.perf_counter()
        for _ in range(num_batches):
            next(started[0])
        return num_batches * batch_size / (time.perf_counter() - start)

    return turn


def work_turn(work: Callable[[], Any], num_items: float) -> Turn:
    """Returns a turn that does `work` on `num_items` items, and measures items/s."""

    def turn() -> float:
        start = time.perf_counter()
        work()
        return num_items / (time.perf_counter() - start)

    return turn
