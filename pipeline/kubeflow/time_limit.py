"""Ends the wait for something that may never come: when its time is up, or when this process is asked to end."""

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

# A wait without end would not notice a signal on every system.
_LOOK_SECONDS = 0.5
_Result = TypeVar("_Result")


class TimeIsUpError(Exception):
    """There was no result in time; the work may still go on."""


def within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """Returns what `work` returns, or raises what it raises.

    It runs in a thread of its own. A socket's timeout is not enough: it starts over with each byte, and a signal's
    handler waits for the end of some calls. Here the handler runs at once, and what it raises ends the wait. The thread
    is then left to itself, and cannot keep the process from ending.

    Raises:
      TimeIsUpError: after `seconds`.
    """
    results: queue.SimpleQueue[tuple[_Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((work(), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=run, name="request", daemon=True).start()
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            result, error = results.get(timeout=min(left, _LOOK_SECONDS))
        except queue.Empty:
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # it is None only where `work` returned that
    raise TimeIsUpError
