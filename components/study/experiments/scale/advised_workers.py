"""How many workers to take for ten million tiles, and how often to write a checkpoint, by what was measured here.

Each worker has a node of its own that is as fast as one worker here, and as many tiles a step. Between nodes there is a
link like the one between two processes of this machine, which flatters more workers than a few.
"""

from collections.abc import Sequence

import numpy as np

from components.contracts.study import Matrix, Words
from components.cost.prices import SHIPPED_PRICES, Price, read_prices
from components.scaling.advice import LEAST_EFFICIENCY, Advice, advise
from components.scaling.checkpointing import Failures
from components.scaling.ring import RingLink
from components.scaling.simulator import Job, Workplace
from components.study.experiments.scale.scale_training import TrainedOnce

NUM_TILES = 10_000_000  # of an epoch
NUMBERS = tuple(2**power for power in range(9))  # 1 to 256 workers
# Not measured here, for a machine that does not fail in a study: a node is lost once a month, which 256 notice every
# three hours; training waits five seconds for a checkpoint, and goes on two minutes after a loss.
ASSUMED = Failures(mtbf_seconds=30 * 86_400.0, checkpoint_seconds=5.0, restart_seconds=120.0)
PROFILE = "cpu"
_HOUR, _MINUTE = 3600.0, 60.0


def advise_workers(
    alone: Sequence[TrainedOnce], link: RingLink, tiles_per_step: int, wait_of_two: float = 0.0
) -> Advice:
    """Returns what an epoch by each number of workers would take, and which to choose.

    Args:
      alone: Trainings of one worker.
      tiles_per_step: Tiles that one worker's step was measured with.
      wait_of_two: Seconds that two workers wait for each other in a step.
    """
    job = Job(
        num_tiles=NUM_TILES,
        tiles_per_step=tiles_per_step,
        epochs=1,
        step_seconds=np.array([step for each in alone for step in each.step_seconds]),
        gradient_bytes=alone[0].gradient_bytes,
        reduces_per_step=alone[0].reduces_per_step,
        wait_of_two=wait_of_two,
    )
    return advise(job, Workplace(link, ASSUMED), NUMBERS, price_per_hour=_price().per_hour)


def advice_table(advice: Advice) -> Matrix:
    """Returns the table of what each number takes; the last column has a 1 for the number that is advised."""
    rows = [
        (
            choice.simulated.seconds[1] / _HOUR,
            choice.efficiency,
            choice.cost,
            choice.simulated.interval_seconds / _MINUTE,
            1.0 if choice is advice.best else None,
        )
        for choice in advice.choices
    ]
    node, days = _price().node, ASSUMED.mtbf_seconds / 86_400
    return Matrix(
        name="advised_workers",
        title=Words(
            english="An epoch of ten million tiles, simulated from one worker's steps and the all-reduce of two, on "
            f"nodes at the price of an {node}, each lost every {days:g} days. Advised: the fastest that is at least "
            f"{LEAST_EFFICIENCY * 100:g} % efficient",
            spanish="Una época de diez millones de teselas, simulada con los pasos de un proceso y el all-reduce de "
            f"dos, en nodos al precio de una {node}, cada uno perdido cada {days:g} días. Aconsejado: el más rápido "
            f"con al menos un {LEAST_EFFICIENCY * 100:g} % de eficiencia",
        ),
        unit="h, share, USD, min",
        row_title=Words(english="workers", spanish="procesos"),
        column_title=Words(english="what it takes", spanish="lo que requiere"),
        rows=tuple(str(choice.simulated.num_workers) for choice in advice.choices),
        columns=("hours", "efficiency", "USD", "minutes to a checkpoint", "advised"),
        values=tuple(rows),
        has_one_unit=False,
        is_measured=True,
    )


def _price() -> Price:
    """Returns the list price, which a price file of the user's does not change."""
    return read_prices(str(SHIPPED_PRICES)).of(PROFILE)
