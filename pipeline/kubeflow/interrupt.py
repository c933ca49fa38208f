"""Handles Ctrl-C and SIGTERM in a process that must clean up before it ends."""

import contextlib
import signal
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
        self._held = False
        self._waiting: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for each in (signal.SIGINT, signal.SIGTERM):
            self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Delays the first signal until the block ends; a second signal takes effect at once.

        So whoever must undo the block knows what it made.
        """
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def heed(self) -> None:
        """Raises Interrupted if a signal arrived inside the `held` block."""
        if self._waiting is not None:
            raise Interrupted(self._waiting)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._held and self._waiting is None:
            self._waiting = signal.Signals(number)
            return
        raise Interrupted(signal.Signals(number))
