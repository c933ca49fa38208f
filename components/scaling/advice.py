"""How many workers to take, and how often to write a checkpoint, with what each choice costs."""

import dataclasses
from collections.abc import Sequence

from components.scaling.simulator import Job, Simulated, Workplace, simulate

LEAST_EFFICIENCY = 0.7  # of a worker's time, the share that must not be lost to waiting


@dataclasses.dataclass(frozen=True)
class WorkerChoice:
    """A number of workers that could be taken.

    Attributes:
      efficiency: Node time of the first choice / node time of this one.
      cost: Of all nodes; None without a price.
    """

    simulated: Simulated
    efficiency: float
    cost: float | None


@dataclasses.dataclass(frozen=True)
class Advice:
    """All choices, and the one to take.

    Attributes:
      best: The fastest of those that are efficient enough, and in time if there is a deadline.
    """

    choices: tuple[WorkerChoice, ...]
    best: WorkerChoice


def advise(
    job: Job,
    place: Workplace,
    numbers: Sequence[int],
    *,
    price_per_hour: float | None = None,
    least_efficiency: float = LEAST_EFFICIENCY,
    seed: int = 1,
) -> Advice:
    """Returns what each number of workers would take, and which to choose.

    Args:
      numbers: Of workers, each once, from the fewest, with which efficiency is compared.
      price_per_hour: Of one node; None if it is not known.
    """
    if not numbers:
        raise ValueError("needs at least one number of workers")
    if list(numbers) != sorted({*numbers}):
        raise ValueError(f"numbers of workers must come from the fewest on, each once, got {list(numbers)}")
    simulated = [simulate(job, place, number, seed=seed) for number in numbers]
    first = simulated[0].node_seconds
    choices = tuple(
        WorkerChoice(
            each,
            first / each.node_seconds,
            None if price_per_hour is None else each.node_seconds / 3600 * price_per_hour,
        )
        for each in simulated
    )
    efficient = [each for each in choices if each.efficiency >= least_efficiency] or list(choices[:1])
    return Advice(choices, min(efficient, key=lambda each: each.simulated.seconds[1]))
