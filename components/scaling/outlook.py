"""What other numbers of workers would make of a training's time and cost, from what was measured of it.

The global batch stays as it is and is shared out, so a worker's part of a step shrinks with their number, but for a
share of it that does not, such as starting a call. One training alone tells neither this share nor the network between
workers that were never there. So both are assumed within bounds, and the outlook is an interval: narrow for the number
that was measured, and wider away from it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.scaling.ring import RingLink, all_reduce_seconds, link_of
from components.scaling.stragglers import as_of_one, expected_maximum

# Of a step's time, what more workers do not share out: at best, probably, at worst.
_FIXED_SHARES = (0.0, 0.1, 0.3)
# Between two workers if nothing was measured: 25 to 1 Gb/s, as between nodes of a cloud, or of an office.
_LINKS = (RingLink(3.1e9, 5e-5), RingLink(1.2e9, 1e-4), RingLink(1.2e8, 5e-4))
_MEASURED_LINKS = (0.7, 1.0, 1.5)  # factors of a measured all-reduce, for other numbers of workers


@dataclasses.dataclass(frozen=True)
class MeasuredTraining:
    """What a training took.

    Attributes:
      num_workers: That trained together.
      step_seconds: Seconds of a step in each epoch, without compiling, [epochs].
      num_steps: Steps of all epochs.
      fixed_seconds: To start, compile and export, whatever the number of workers.
      shared_seconds: All else, such as validation, which workers share out as they do steps.
      gradient_bytes: That workers add up in a step.
      reduce_seconds: That it took them; None if it was not measured, or there is one worker.
      reduce_latency_seconds: That it takes them to add up one number; 0 if it was not measured.
      reduces_per_step: How often they add up something in a step.
      share_cores: The workers are processes of one machine, whose cores they share: more of them are not faster.
    """

    num_workers: int
    step_seconds: NDArray[np.float64]
    num_steps: int
    fixed_seconds: float
    shared_seconds: float
    gradient_bytes: float
    reduce_seconds: float | None = None
    reduce_latency_seconds: float = 0.0
    reduces_per_step: int = 1
    share_cores: bool = False


@dataclasses.dataclass(frozen=True)
class Outlook:
    """A training by some number of workers.

    Attributes:
      seconds: At best, probably, at worst.
      node_seconds: The same, over all nodes that are paid for.
    """

    num_workers: int
    seconds: tuple[float, float, float]
    node_seconds: tuple[float, float, float]


def outlook(measured: MeasuredTraining, numbers: Sequence[int]) -> list[Outlook]:
    """Returns what to expect of each number of workers.

    Raises:
      ValueError: if no step was measured.
    """
    if not np.size(measured.step_seconds):
        raise ValueError("no step was measured")
    found = []
    for num_workers in numbers:
        times = [_seconds(measured, num_workers, case) for case in range(3)]
        low, middle, high = min(times), times[1], max(times)
        nodes = 1 if measured.share_cores else num_workers
        found.append(Outlook(num_workers, (low, middle, high), (nodes * low, nodes * middle, nodes * high)))
    return found


def _seconds(measured: MeasuredTraining, num_workers: int, case: int) -> float:
    """Returns the seconds of a training at best (0), probably (1) or at worst (2)."""
    before = measured.num_workers
    reduced = measured.reduce_seconds if measured.reduce_seconds and before > 1 else None
    link = _link(measured, reduced, case)
    in_reduce = _all_reduces(measured, before, link)
    whole = np.asarray(measured.step_seconds, np.float64)
    computing = np.maximum(whole - in_reduce, 0.1 * whole)  # what was assumed of the network may be too slow
    alone = as_of_one(computing, before)
    shared_out = 1.0 if measured.share_cores else before / num_workers
    fixed = _FIXED_SHARES[case]
    step = expected_maximum(alone * (fixed + (1 - fixed) * shared_out), num_workers)
    if num_workers == before:
        step = float(whole.mean())  # which was measured, and needs no model
    else:
        step += _all_reduces(measured, num_workers, link)
    others = measured.shared_seconds * (fixed + (1 - fixed) * shared_out)
    # What was measured holds for the training itself; the next may go a little better or worse.
    spread = (0.95, 1.0, 1.05)[case] if num_workers == before else 1.0
    return spread * (measured.fixed_seconds + measured.num_steps * step + others)


def _all_reduces(measured: MeasuredTraining, num_workers: int, link: RingLink) -> float:
    """Returns the seconds of a step's all-reduces."""
    return all_reduce_seconds(measured.gradient_bytes, num_workers, link, measured.reduces_per_step)


def _link(measured: MeasuredTraining, reduced: float | None, case: int) -> RingLink:
    if reduced is None:
        return _LINKS[case]
    factor = _MEASURED_LINKS[case]
    latency = factor * measured.reduce_latency_seconds
    return link_of(factor * reduced, measured.gradient_bytes, measured.num_workers, latency)
