"""Which processor cores work is done on."""

import os
from collections.abc import Iterator, Set
from typing import TypeVar

_T = TypeVar("_T")


def started_on(cores: Set[int], batches: Iterator[_T]) -> Iterator[_T]:
    """Returns the same batches, from threads that run on these cores alone; the calling thread stays where it is."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # of this thread, and of those that it starts
    first = next(batches)
    os.sched_setaffinity(0, own)

    def all_of_them() -> Iterator[_T]:
        yield first
        yield from batches

    return all_of_them()
