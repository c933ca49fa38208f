"""How often to write a checkpoint, and how long work takes when workers are lost on the way.

All workers go back to the last checkpoint when one is lost. Failures come at a constant rate (exponential times). With
an interval tau of work between checkpoints of C seconds, a mean time M between failures of all workers together, and R
seconds to start again, a segment is repeated until it passes. On average that takes (exp((tau + C) / M) - 1) * (M + R).
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

_MOST_FAILURES = 1e6  # of a training; one that fails more often never ends


@dataclasses.dataclass(frozen=True)
class Failures:
    """How workers are lost, and what it costs.

    Attributes:
      mtbf_seconds: Mean time between failures of one worker's node; infinity if none fails.
      checkpoint_seconds: That training waits for a checkpoint.
      restart_seconds: From a failure to the first step after it.
    """

    mtbf_seconds: float = math.inf
    checkpoint_seconds: float = 0.0
    restart_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not self.mtbf_seconds > 0 or not 0 <= self.checkpoint_seconds < math.inf:
            raise ValueError(
                f"the mean time between failures must be above 0 and a checkpoint take at least 0 s, got "
                f"{self.mtbf_seconds} and {self.checkpoint_seconds}"
            )
        if not 0 <= self.restart_seconds < math.inf:
            raise ValueError(f"a restart must take at least 0 s, got {self.restart_seconds}")

    def of_all(self, num_workers: int) -> float:
        """Returns the mean time between failures of so many workers: each can end the step of all."""
        return self.mtbf_seconds / num_workers


NO_FAILURES = Failures()


def young_interval(checkpoint_seconds: float, mtbf_seconds: float) -> float:
    """Returns sqrt(2 C M) seconds of work between checkpoints.

    Young, "A first order approximation to the optimum checkpoint interval", Communications of the ACM 17(9), 1974.
    """
    return math.sqrt(2 * checkpoint_seconds * mtbf_seconds) if math.isfinite(mtbf_seconds) else math.inf


def daly_interval(checkpoint_seconds: float, mtbf_seconds: float) -> float:
    """Returns the seconds of work between checkpoints by the higher-order estimate; less than Young's where C is large.

    Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future Generation Computer
    Systems 22(3), 2006, equation 37.
    """
    if not math.isfinite(mtbf_seconds):
        return math.inf
    if checkpoint_seconds >= 2 * mtbf_seconds:
        return mtbf_seconds
    share = checkpoint_seconds / (2 * mtbf_seconds)
    return (
        young_interval(checkpoint_seconds, mtbf_seconds) * (1 + math.sqrt(share) / 3 + share / 9) - checkpoint_seconds
    )


def expected_seconds(work: float, interval: float, failures: Failures, num_workers: int) -> float:
    """Returns the mean time of `work` seconds of steps, with their checkpoints, failures and repeats."""
    pieces, length = _segments(work, interval, failures)
    mean = failures.of_all(num_workers)
    if not math.isfinite(mean):
        return pieces * length
    if length / mean > math.log(_MOST_FAILURES):
        return math.inf
    return pieces * math.expm1(length / mean) * (mean + failures.restart_seconds)


def drawn_seconds(
    work: NDArray[np.float64], interval: float, failures: Failures, num_workers: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Returns the same for each of several runs, drawn: [runs], for seconds of work [runs]."""
    return np.array([_drawn(float(each), interval, failures, num_workers, random) for each in work])


def _drawn(work: float, interval: float, failures: Failures, num_workers: int, random: np.random.Generator) -> float:
    pieces, length = _segments(work, interval, failures)
    mean = failures.of_all(num_workers)
    if not math.isfinite(mean):
        return pieces * length
    if pieces * math.expm1(min(length / mean, 100.0)) > _MOST_FAILURES:
        return math.inf
    lost = int((random.geometric(math.exp(-length / mean), math.ceil(pieces)) - 1).sum())
    # When an attempt fails, given that it does: an exponential time that is cut off at the segment's end.
    until = -mean * np.log1p(random.random(lost) * math.expm1(-length / mean))
    return pieces * length + float(until.sum()) + lost * failures.restart_seconds


def _segments(work: float, interval: float, failures: Failures) -> tuple[float, float]:
    """Returns how many segments the work has, and the seconds of each with its checkpoint."""
    if not interval > 0 or not work >= 0:
        raise ValueError(f"the interval must be above 0 and work at least 0, got {interval} and {work}")
    pieces = max(1, math.ceil(work / interval)) if math.isfinite(interval) else 1
    return pieces, work / pieces + failures.checkpoint_seconds
