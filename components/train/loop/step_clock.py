"""Measures where the training loop spends its time: waiting for input, or taking steps."""

import contextlib
import dataclasses
import operator
import time
from collections.abc import Callable, Iterator


@dataclasses.dataclass(frozen=True)
class LoopTime:
    """The time of a stretch of the loop.

    Attributes:
      waiting: Seconds in which the loop waited for a batch, and the device for the loop.
      stepping: All other seconds, in which the device took steps while the loop waited for it. Includes the loop's work
        between two calls, such as writing a progress line.
      num_steps: Steps taken.
    """

    waiting: float = 0.0
    stepping: float = 0.0
    num_steps: int = 0

    @property
    def seconds(self) -> float:
        """Waiting and stepping together."""
        return self.waiting + self.stepping

    @property
    def input_wait_share(self) -> float:
        """Share of the time spent waiting for input, in 0..1; 0 if no time has passed."""
        return self.waiting / self.seconds if self.seconds > 0 else 0.0

    @property
    def steps_per_second(self) -> float:
        """Steps per second; 0 if no time has passed."""
        return self.num_steps / self.seconds if self.seconds > 0 else 0.0

    def __add__(self, other: "LoopTime") -> "LoopTime":
        return LoopTime(*map(operator.add, dataclasses.astuple(self), dataclasses.astuple(other)))

    def __sub__(self, earlier: "LoopTime") -> "LoopTime":
        return LoopTime(*map(operator.sub, dataclasses.astuple(self), dataclasses.astuple(earlier)))


class StepClock:
    """Divides the loop's time between the two places where it blocks: the next batch, and the call of the device.

    A call returns the losses of its steps, so the device is idle while the loop waits for a batch: time counted as
    waiting is time that faster input would save. On a CPU that both decodes and trains, decoding also slows down the
    steps; that counts as stepping, and only a comparison with training on a single batch reveals it.

    Attributes:
      total: Time of all calls except those that compile, which take seconds to minutes and are not typical.
      compiling: Time of the calls that compile.
      last: Time of the last call; None if it compiled, or if there was none.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.total = LoopTime()
        self.compiling = LoopTime()
        self.last: LoopTime | None = None
        self._now = now
        self._compiles = True
        self._mark = 0.0
        self._waited = 0.0

    def start(self, *, compiles: bool = False) -> None:
        """Starts counting, at the first step of an epoch.

        Args:
          compiles: Whether the next call compiles; the very first one always does.
        """
        self._compiles = self._compiles or compiles
        self._mark = self._now()

    def expect_compiling(self) -> None:
        """Records that the next call compiles."""
        self._compiles = True

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time within as waiting; once before each call."""
        began = self._now()
        yield
        self._waited = self._now() - began

    def stepped(self, num_steps: int) -> None:
        """Counts the time since the last call or the epoch's start, minus the waiting, as that of `num_steps` steps."""
        now = self._now()
        call = LoopTime(self._waited, now - self._mark - self._waited, num_steps)
        self._waited, self._mark = 0.0, now
        if self._compiles:
            self.compiling, self.last, self._compiles = self.compiling + call, None, False
        else:
            self.total, self.last = self.total + call, call
