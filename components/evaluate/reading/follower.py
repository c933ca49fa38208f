"""Does work on batches in a thread of its own, while the next ones are read and others work on the same."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_MOST_WAITING = 2  # batches; each holds some 6 MB of images

_T = TypeVar("_T")


class Follower(Generic[_T]):
    """Takes batches in order, at most two ahead of its work; after its first error it takes them and does nothing.

    Attributes:
      error: What ended its work.
    """

    def __init__(self, work: Callable[[_T], None]) -> None:
        self.error: Exception | None = None
        self._work = work
        self._waiting: queue.Queue[_T | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._is_stopped = False
        self._thread.start()

    def give(self, batch: _T) -> None:
        """Hands over a batch; waits while too many do."""
        self._waiting.put(batch)

    def finish(self) -> None:
        """Waits until all is done; `error` tells how it ended."""
        self._waiting.put(None)
        self._thread.join()

    def stop(self) -> None:
        """Waits for the batch in work, and leaves the others undone."""
        self._is_stopped = True
        if self._thread.is_alive():
            self.finish()

    def _follow(self) -> None:
        while (batch := self._waiting.get()) is not None:
            if self.error is None and not self._is_stopped:
                try:
                    self._work(batch)
                except Exception as error:  # whoever gave the batches decides what it means
                    self.error = error
