"""Decides how many steps the device takes in one call, so that short steps do not wait for the host between them.

Starting a call costs the host some 2 ms, which short steps notice and long ones do not. But only between two calls does
the host look whether to stop, to finish or to save, and all workers must take equally many steps. So the chief measures
and decides; its number travels with the wishes that are summed in every call, and holds from the next call on. Weights
do not depend on it: the steps are the same, however many of them are in a call.
"""

import dataclasses
from collections import deque
from collections.abc import Sequence

from components.train.input.reader import Batch
from components.train.loop.step_clock import StepClock

CHOOSES_ITSELF = 0  # in place of a number of steps


@dataclasses.dataclass(frozen=True)
class PaceLimits:
    """What bounds the steps of a call that the training chooses.

    Attributes:
      call_seconds: Time between two looks of the host, at most.
      batch_bytes: Memory of the call's batches on the device, at most; as much again waits to be decoded.
      steps: More save nothing: with 32, a call costs a step 3 % of what it costs a single one.
      short_step_seconds: Longer steps are taken one by one: the host costs them less than a tenth.
      saved_seconds: What a short step saves at least, from which follows whether compiling the loop pays.
      measured_steps: Steps to measure before deciding; the shortest counts, since others had company on the machine.
    """

    call_seconds: float = 0.2
    batch_bytes: int = 64 << 20
    steps: int = 32
    short_step_seconds: float = 0.02
    saved_seconds: float = 0.002
    measured_steps: int = 8


LIMITS = PaceLimits()


class Pace:
    """The number of steps of the next call, on one worker.

    Attributes:
      steps: That number; the same on all workers. It is 1 at the start of an epoch and then doubles from call to call
        as far as it may: until the first steps are taken, the reader has not read enough ahead for many.
    """

    def __init__(self, steps_per_call: int, is_chief: bool, limits: PaceLimits) -> None:
        """Starts with single steps.

        Args:
          steps_per_call: Steps of every call, or CHOOSES_ITSELF.
          is_chief: Whether this worker decides for all.
          limits: What bounds the choice.
        """
        self.steps = steps_per_call or 1
        self._chooses = steps_per_call == CHOOSES_ITSELF
        self._is_chief, self._limits = is_chief, limits
        self._single_seconds: deque[float] = deque(maxlen=limits.measured_steps)
        self._wants_loop = self._has_loop = False

    def epoch_begins(self, *, compiles: bool) -> None:
        """Goes back to single steps; `compiles` says whether the epoch begins with a network that is compiled anew."""
        if compiles:
            self._single_seconds.clear()
            self._wants_loop = self._has_loop = False
        if self._chooses:
            self.steps = 1

    def compiles(self, num_steps: int) -> bool:
        """Returns whether a call with so many steps is the first with several, for which their loop is compiled."""
        if not self._chooses or self._has_loop or num_steps == 1:
            return False
        self._has_loop = True
        return True

    def wanted(self, group: Sequence[Batch], clock: StepClock, steps_left: int) -> int:
        """Returns what the chief wants the call after this one to take; 0 if that is not for this worker to say.

        Args:
          group: The batches of this call.
          clock: Has measured the calls before it.
          steps_left: Steps until training ends or the network is compiled anew.
        """
        if not self._chooses or not self._is_chief:
            return 0
        last, limits = clock.last, self._limits
        if last is None:  # nothing is measured, or the call before compiled
            return len(group)
        if not self._wants_loop:
            self._single_seconds.append(last.seconds)
            self._wants_loop = self._pays(steps_left, clock.compiling.stepping)
        if not self._wants_loop:
            return 1
        in_time = int(limits.call_seconds * last.num_steps / max(last.seconds, 1e-9))
        in_memory = limits.batch_bytes // group[0].num_bytes
        return max(1, min(in_time, in_memory, limits.steps, 2 * len(group)))

    def heard(self, steps: float) -> None:
        """Takes over what the chief wants of the next call; 0 changes nothing."""
        if self._chooses and steps:
            self.steps = round(steps)

    def _pays(self, steps_left: int, compile_seconds: float) -> bool:
        """Returns whether steps are short, and enough of them left to make up for compiling a second time."""
        if len(self._single_seconds) < self._limits.measured_steps:
            return False
        is_short = min(self._single_seconds) <= self._limits.short_step_seconds
        return is_short and steps_left * self._limits.saved_seconds >= compile_seconds
