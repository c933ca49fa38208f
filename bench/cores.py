"""Pins work to processor cores."""

import os
from collections.abc import Iterator, Set
from typing import TypeVar

_T = TypeVar("_T")


def started_on(cores: Set[int], batches: Iterator[_T]) -> Iterator[_T]:
    """Returns the same batches, produced by threads on these cores only; the calling thread keeps its own cores."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # for this thread and the threads that it starts
    first = next(batches)
    os.sched_setaffinity(0, own)

    def all_of_them() -> Iterator[_T]:
        yield first
        yield from batches

    return all_of_them()
