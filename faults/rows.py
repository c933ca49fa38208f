"""The result of one disturbed run, and whether it is the right one."""

import dataclasses
from collections.abc import Callable

from faults.training import Ending

# (ending, ending of the undisturbed run) -> a short description of the result, and whether it is right
Judge = Callable[[Ending, Ending], tuple[str, bool]]
HEADER = (
    f"{'moment':>8}  {'what':<9} {'process':<18} {'exit codes':<14} {'restarts':>8} {'left':>7} {'lost':>7}  result"
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One disturbed run.

    Attributes:
      moment: Seconds from the first process's start to the disturbance.
      process: The disturbed process.
      exit_codes: Exit codes of all processes, by attempt; empty if the disturbance came too late to matter.
      restarts: Number of restarts, of all processes or only the lost one.
      left_seconds: Time until all processes of that attempt had ended, including the disturbed one.
      lost_seconds: How much longer the run took than the undisturbed one.
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
    """Judges whether a training in lockstep has the weights of the undisturbed one, to the bit."""
    is_equal = ending.exit_code == 0 and ending.weights == undisturbed.weights
    return "equal weights" if is_equal else "OTHER weights", is_equal


def all_steps(ending: Ending, undisturbed: Ending) -> tuple[str, bool]:
    """Judges whether an asynchronous training, no two of which are alike, has a model and took every step."""
    is_whole = ending.exit_code == 0 and bool(ending.weights) and ending.num_steps == undisturbed.num_steps
    return (f"all {ending.num_steps} steps" if is_whole else f"{ending.num_steps} STEPS"), is_whole
