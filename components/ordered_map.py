"""Maps a function over items in threads. Results keep the items' order, and few are in memory at a time."""

import concurrent.futures
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")
REMOTE_THREADS = 16  # a bucket takes tens of milliseconds to answer, however many processors there are


def num_threads_for(is_remote: bool) -> int:
    """Returns how many threads to read with: one per processor, or more where they wait for a bucket."""
    return REMOTE_THREADS if is_remote else os.cpu_count() or 1


def map_in_order(
    function: Callable[[Input], Output], items: Iterable[Input], num_threads: int
) -> Generator[Output, None, None]:
    """Yields function(item) in the order of the items; works at most a few items ahead of the caller."""
    pending: deque[concurrent.futures.Future[Output]] = deque()
    pool = concurrent.futures.ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * num_threads:  # enough to keep the threads busy, few enough to hold in memory
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
