"""The time, behind a seam: tests run hours of it in no time."""

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime.datetime:
        """Returns the time of day in UTC, as other machines know it too."""

    def seconds(self) -> float:
        """Returns seconds since some moment; only differences mean something, and nobody can set it."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime.datetime:
        """See Clock."""
        return datetime.datetime.now(datetime.UTC)

    def seconds(self) -> float:
        """See Clock. A machine that was asleep counts that time, so that it does not act on an old claim."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(seconds)
