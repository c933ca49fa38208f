"""What became of one disturbed run, and whether it is what had to become of it."""

import dataclasses
from collections.abc import Callable

from faults.training import Ending

# (ending, that of the undisturbed run) -> what it came to, in short, and whether that is right
Judge = Callable[[Ending, Ending], tuple[str, bool]]
HEADER = (
    f"{'moment':>8}  {'what':<9} {'process':<18} {'exit codes':<14} {'restarts':>8} {'left':>7} {'lost':>7}  came to"
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One disturbed run.

    Attributes:
      moment: Seconds from the first process's start to the disturbance.
      process: Which one was disturbed.
      exit_codes: Of all processes, by attempt; none if the disturbance came too late to matter.
      restarts: Of all, or of the lost one alone.
      left_seconds: Until all processes of that attempt had ended, the disturbed one too.
      lost_seconds: How much longer it took than the undisturbed run.
    """

    moment: float
    what: str
    process: str
    exit_codes: list[list[int]]
    restarts: int
    left_seconds: float
    lost_seconds: float
    came_to: str
    as_expected: bool

    def __str__(self) -> str:
        codes = " ".join("/".join(map(str, attempt)) for attempt in self.exit_codes) or "-"
        left = f"{self.left_seconds:5.1f} s" if self.exit_codes else f"{'-':>7}"
        return (
            f"{self.moment:6.1f} s  {self.what:<9} {self.process:<18} {codes:<14} {self.restarts:>8} "
            f"{left} {self.lost_seconds:5.1f} s  {self.came_to}"
        )


def same_weights(ending: Ending, undisturbed: Ending) -> tuple[str, bool]:
    """Tells whether a training in lockstep has the weights of the undisturbed one, to the bit."""
    is_equal = ending.exit_code == 0 and ending.weights == undisturbed.weights
    return "equal weights" if is_equal else "OTHER weights", is_equal


def all_steps(ending: Ending, undisturbed: Ending) -> tuple[str, bool]:
    """Tells whether an asynchronous training, no two of which are alike, has a model, and every step behind it."""
    is_whole = ending.exit_code == 0 and bool(ending.weights) and ending.num_steps == undisturbed.num_steps
    return (f"all {ending.num_steps} steps" if is_whole else f"{ending.num_steps} STEPS"), is_whole
