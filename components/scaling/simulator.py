"""Simulates a training by N workers: each step waits for the slowest, then for its all-reduces, and workers are lost.

A step of N workers takes the largest of N draws from the times that one worker was measured to take. For U between 0
and 1, the largest of N has the distribution of the quantile U^(1/N) of one, so a step needs one draw, not N.

Workers that are processes of one machine share its cores. If one keeps `busy_cores` of them busy, N of them want
N * busy_cores, and where the machine has fewer each takes longer by that factor.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from components.scaling.checkpointing import NO_FAILURES, Failures, daly_interval, drawn_seconds
from components.scaling.ring import RingLink, all_reduce_seconds
from components.scaling.stragglers import waits_for_slowest

_BAND = (0.05, 0.5, 0.95)  # quantiles over the runs
_MOST_DRAWS = 1 << 16  # steps that are drawn for a run; of more, the sum is drawn from the mean and the spread


@dataclasses.dataclass(frozen=True)
class Job:
    """A training to simulate.

    Attributes:
      num_tiles: Of an epoch.
      tiles_per_step: Of one worker.
      epochs: Times that all tiles are read.
      step_seconds: Measured times of one worker's step, alone, without an all-reduce, e.g. the mean of each epoch, [M].
      gradient_bytes: That workers add up in a step.
      reduces_per_step: How often they add up something in it, and wait for each other.
      wait_of_two: Seconds that each of two workers waits for the other in a step, as measured. It is not foreseen from
        the spread of one worker's steps: workers meet several times in a step, and what varies, such as a decoder's
        work, is not independent between two meetings.
      fixed_seconds: To start and to export.
    """

    num_tiles: int
    tiles_per_step: int
    epochs: int
    step_seconds: NDArray[np.float64]
    gradient_bytes: float
    reduces_per_step: int = 1
    wait_of_two: float = 0.0
    fixed_seconds: float = 0.0

    def __post_init__(self) -> None:
        times = np.asarray(self.step_seconds)
        is_positive = times.size > 0 and bool((times > 0).all() and np.isfinite(times).all())
        if min(self.num_tiles, self.tiles_per_step, self.epochs) < 1 or not is_positive:
            raise ValueError("a job needs tiles, epochs and measured steps, all above 0")
        others = (self.gradient_bytes, self.wait_of_two, self.fixed_seconds)
        if not all(0 <= each < math.inf for each in others):
            raise ValueError(f"a job's bytes, wait and fixed seconds must be at least 0 and finite, got {others}")

    def num_steps(self, num_workers: int) -> int:
        """Returns the steps of the whole training; the last of an epoch may have fewer tiles."""
        return self.epochs * math.ceil(self.num_tiles / (self.tiles_per_step * num_workers))


@dataclasses.dataclass(frozen=True)
class Workplace:
    """Where workers run.

    Attributes:
      link: Between two workers.
      failures: How they are lost.
      num_cores: Of the one machine that all workers share; None if each has a node of its own.
      busy_cores: That one worker keeps busy when it is alone.
    """

    link: RingLink
    failures: Failures = NO_FAILURES
    num_cores: int | None = None
    busy_cores: float = 1.0

    def __post_init__(self) -> None:
        if (self.num_cores is not None and self.num_cores < 1) or not 0 < self.busy_cores < math.inf:
            raise ValueError(
                f"workers need at least one core, and to keep some of it busy, got {self.num_cores} and "
                f"{self.busy_cores}"
            )

    def slowdown(self, num_workers: int) -> float:
        """Returns by how much sharing cores makes a worker's step longer, at least 1."""
        return max(1.0, num_workers * self.busy_cores / self.num_cores) if self.num_cores else 1.0

    def num_nodes(self, num_workers: int) -> int:
        """Returns the nodes that are paid for."""
        return 1 if self.num_cores else num_workers


@dataclasses.dataclass(frozen=True)
class Simulated:
    """What some number of workers would take.

    Attributes:
      interval_seconds: Work between checkpoints; infinity for none before the end.
      seconds: In one of 20 runs at most, in the middle, in all but one of 20 at most.
      node_seconds: Nodes that are paid for, times the middle.
      step_seconds: Of a step with its all-reduces, on average.
      reduce_seconds: Of its all-reduces.
    """

    num_workers: int
    interval_seconds: float
    seconds: tuple[float, float, float]
    node_seconds: float
    step_seconds: float
    reduce_seconds: float


def simulate(
    job: Job, place: Workplace, num_workers: int, *, interval: float | None = None, num_runs: int = 40, seed: int = 1
) -> Simulated:
    """Returns what a number of workers would take; the same for the same seed.

    Args:
      interval: Seconds of work between checkpoints; None for Daly's.
    """
    if num_workers < 1 or num_runs < 1:
        raise ValueError(f"needs at least one worker and one run, got {num_workers} and {num_runs}")
    random = np.random.default_rng([seed, num_workers])
    reduce = all_reduce_seconds(job.gradient_bytes, num_workers, place.link, job.reduces_per_step)
    steps = job.num_steps(num_workers)
    work = place.slowdown(num_workers) * _slowest(job.step_seconds, num_workers, steps, num_runs, random)
    work += steps * (reduce + waits_for_slowest(job.wait_of_two, num_workers))
    if interval is None:
        failures = place.failures
        # A checkpoint that costs nothing can be written after each step.
        least = float(work.mean()) / steps
        interval = max(least, daly_interval(failures.checkpoint_seconds, failures.of_all(num_workers)))
    total = job.fixed_seconds + drawn_seconds(work, interval, place.failures, num_workers, random)
    low, middle, high = (float(each) for each in np.quantile(total, _BAND, method="nearest"))
    return Simulated(
        num_workers=num_workers,
        interval_seconds=interval,
        seconds=(low, middle, high),
        node_seconds=place.num_nodes(num_workers) * middle,
        step_seconds=float(work.mean()) / steps,
        reduce_seconds=reduce,
    )


def _slowest(
    draws: NDArray[np.float64], num_workers: int, steps: int, num_runs: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Returns the seconds of all steps of each run, [runs]: of each step, what the slowest worker takes."""
    ordered = np.sort(np.asarray(draws, np.float64).ravel())
    drawn = min(steps, max(1, _MOST_DRAWS // num_runs))
    places = np.ceil(random.random((num_runs, drawn)) ** (1 / num_workers) * ordered.size).astype(int) - 1
    sums: NDArray[np.float64] = ordered[np.clip(places, 0, ordered.size - 1)].sum(axis=1)
    if drawn == steps:
        return sums
    # Of many steps, the sum is normal, by the mean and the spread of the largest of N (see stragglers.py).
    shares = np.diff((np.arange(ordered.size + 1) / ordered.size) ** num_workers)
    mean = float(shares @ ordered)
    spread = math.sqrt(max(0.0, float(shares @ (ordered - mean) ** 2)))
    return steps * mean + math.sqrt(steps) * spread * random.standard_normal(num_runs)
