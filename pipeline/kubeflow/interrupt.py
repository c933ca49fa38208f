"""Handles Ctrl-C and SIGTERM in a process that must clean up before it ends."""

import _thread
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self


class Interrupted(BaseException):
    """The process was asked to end.

    Attributes:
      signal: SIGINT or SIGTERM.
    """

    def __init__(self, signal: signal.Signals) -> None:
        super().__init__(signal.name)
        self.signal = signal

    @property
    def exit_code(self) -> int:
        """The shell's exit code for a process ended by a signal."""
        return 128 + self.signal


class InterruptSignals:
    """A context in which both signals raise Interrupted, except inside a `held` block."""

    def __init__(self) -> None:
        self._held, self._grace_seconds = False, 0.0
        self._waiting: signal.Signals | None = None
        self._timer: threading.Timer | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for each in (signal.SIGINT, signal.SIGTERM):
            self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    @contextlib.contextmanager
    def held(self, grace_seconds: float) -> Iterator[None]:
        """Delays the first signal until the block ends, but not longer than this; a second takes effect at once.

        So whoever must undo the block knows what it made, unless it hangs.
        """
        self._held, self._grace_seconds = True, grace_seconds
        try:
            yield
        finally:
            self._held = False
            if self._timer is not None:
                self._timer.cancel()

    def heed(self) -> None:
        """Raises Interrupted if a signal arrived inside the `held` block."""
        if self._waiting is not None:
            raise Interrupted(self._waiting)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._held and self._waiting is None:
            self._waiting = signal.Signals(number)
            self._timer = threading.Timer(self._grace_seconds, self._end_hold)
            self._timer.daemon = True
            self._timer.start()
            return
        raise Interrupted(signal.Signals(number))

    def _end_hold(self) -> None:
        """Does what a second signal would; a handler runs in the main thread, whoever asks for it."""
        if self._held and self._waiting is not None:
            _thread.interrupt_main(self._waiting)
