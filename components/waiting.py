"""Says every few seconds that a server is still waited for, so that nobody takes a patient step for a hung one."""

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator

from components.printable import printable

_SECONDS = 5.0  # without an answer, before a line is written, and between two lines
_LOOK_SECONDS = 0.5


def _print(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


class Waiting:
    """What a process waits for. Its requests may come from many threads; one line speaks for all of them.

    Attributes:
      say: Called with each line, by a thread of its own.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self.say: Callable[[str], None] = _print
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked: dict[int, tuple[str, float]] = {}  # what each thread asks, and since when
        self._failed = ""  # why the last attempt failed; empty after one that did not
        self._heard = self._said = 0.0  # when there was an answer, or a line
        self._watcher: threading.Thread | None = None

    @contextlib.contextmanager
    def through(self, say: Callable[[str], None]) -> Iterator[None]:
        """Has lines written by `say` for as long as the context lasts."""
        before, self.say = self.say, say
        try:
            yield
        finally:
            self.say = before

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Surrounds a request with all its attempts."""
        thread = threading.get_ident()
        with self._lock:
            outer = self._asked.get(thread)
            self._asked[thread] = outer or (what, time.monotonic())
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="waiting", daemon=True)
                self._watcher.start()
        try:
            yield
        finally:
            with self._lock:
                if outer is None:
                    del self._asked[thread]

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Surrounds what takes this thread its time, but is no waiting: sending much."""
        thread = threading.get_ident()
        with self._lock:
            before = self._asked.get(thread)
            if before:
                self._asked[thread] = (before[0], math.inf)
        try:
            yield
        finally:
            with self._lock:
                if before:
                    self._asked[thread] = (before[0], time.monotonic())

    def failed(self, reason: str) -> None:
        """Notes that an attempt failed, and may be repeated."""
        self._failed = reason

    def heard(self) -> None:
        """Notes an answer."""
        self._failed, self._heard = "", time.monotonic()

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                oldest = min(self._asked.values(), key=lambda asked: asked[1], default=None)
                line = self._line(*oldest) if oldest else ""
            if line:
                with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                    self.say(line)

    def _line(self, what: str, since: float) -> str:
        now = time.monotonic()
        silent = now - max(since, self._heard)
        if silent < self._seconds or now - self._said < self._seconds:
            return ""
        self._said = now
        why = f" ({self._failed})" if self._failed else ""
        return f"waiting for {what} for {silent:.0f} s{why}; still trying"


WAITING = Waiting()
