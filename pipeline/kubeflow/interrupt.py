"""Ctrl-C and SIGTERM, for a process that has something to put in order before it ends."""

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
        """As a shell has it for a process that a signal ended."""
        return 128 + self.signal


class InterruptSignals:
    """While it is entered, both signals raise Interrupted, but not in the middle of what is held together."""

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
        """Lets the block end before the first signal is heard; a second one is heard at once.

        What the block makes is then known to whoever has to take it back.
        """
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def heed(self) -> None:
        """Raises Interrupted if a signal came while they were held."""
        if self._waiting is not None:
            raise Interrupted(self._waiting)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._held and self._waiting is None:
            self._waiting = signal.Signals(number)
            return
        raise Interrupted(signal.Signals(number))
