"""Where the time of the training loop goes: into waiting for input, or into steps."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator


@dataclasses.dataclass(frozen=True)
class LoopTime:
    """A stretch of the loop.

    Attributes:
      waiting: Seconds in which the loop waited for a batch, and the device for the loop.
      stepping: The other seconds: the device took steps and the loop waited for it. What the loop does between two
        calls, such as writing a line of progress, is in here too.
      num_steps: Steps taken.
    """

    waiting: float = 0.0
    stepping: float = 0.0
    num_steps: int = 0

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.waiting + self.stepping

    @property
    def input_wait_share(self) -> float:
        """Share of the time in which the loop waited for input, in 0..1; 0 of no time at all."""
        return self.waiting / self.seconds if self.seconds > 0 else 0.0

    @property
    def steps_per_second(self) -> float:
        """0 of no time at all."""
        return self.num_steps / self.seconds if self.seconds > 0 else 0.0

    def __add__(self, other: "LoopTime") -> "LoopTime":
        return LoopTime(self.waiting + other.waiting, self.stepping + other.stepping, self.num_steps + other.num_steps)

    def __sub__(self, earlier: "LoopTime") -> "LoopTime":
        return LoopTime(
            self.waiting - earlier.waiting, self.stepping - earlier.stepping, self.num_steps - earlier.num_steps
        )


class StepClock:
    """Divides the loop's time between the two places where it stands still: the next batch, and the call of the device.

    A call returns with the losses of its steps, so that the device has nothing to do while the loop waits for a batch:
    what is counted as waiting is time that faster input would save. On a processor that decodes and trains, decoding
    also slows the steps down; that is counted as stepping, and only a comparison with training on one batch shows it.

    Attributes:
      total: Of all calls but those that compile: they take seconds to minutes, and say nothing of the others.
      compiling: Of the calls that compile.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.total = LoopTime()
        self.compiling = LoopTime()
        self._now = now
        self._compiles = True
        self._mark = 0.0
        self._waited = 0.0

    def start(self, *, compiles: bool = False) -> None:
        """Begins to count, at the first step of an epoch.

        Args:
          compiles: The next call compiles anew; the very first one does in any case.
        """
        self._compiles = self._compiles or compiles
        self._mark = self._now()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time within as waiting; once before each call."""
        began = self._now()
        yield
        self._waited = self._now() - began

    def stepped(self, num_steps: int) -> None:
        """Counts the time since the last call, or the epoch's start, that was not waiting as that of so many steps."""
        now = self._now()
        call = LoopTime(self._waited, now - self._mark - self._waited, num_steps)
        self._waited, self._mark = 0.0, now
        if self._compiles:
            self.compiling, self._compiles = self.compiling + call, False
        else:
            self.total = self.total + call
