"""Ways to update weights in parallel × learning rates × seeds, and the best rate of each way.

One rate alone gives whichever verdict one likes: a delay asks for a smaller rate, and an average over more tiles bears
a larger one. So each way has the rate, of the same four, that is best for it on the validation split; it is judged on
the test split.
"""

import dataclasses
import statistics
from collections.abc import Sequence

from components.study.arms.arm import Arm, Parallelism
from components.study.experiments.experiment import Bench
from components.study.experiments.learning.learner import Learner
from components.study.experiments.learning.learning_arms import PLAIN_SGD, learning_arm, with_seed
from components.study.experiments.learning.sizes import LearningSize
from components.study.experiments.learning.tiles import TileSet
from components.study.experiments.learning.training import Learned, learn

RATES = (0.005, 0.015, 0.05, 0.15)
DELAYS = (0, 1, 2, 4, 8)
NUM_AVERAGED = 4
TILES_PER_WORKER = 8
MOST_GRID_SEEDS = 3  # of the seeds; the others are only trained at the best rates


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to update the weights, in the words of tables."""

    name: str
    parallelism: Parallelism
    batch_size: int


SEQUENTIAL = Way("delay 0", Parallelism(), TILES_PER_WORKER)
AVERAGED = Way(
    f"averaged of {NUM_AVERAGED}",
    Parallelism(kind="averaged", num_averaged=NUM_AVERAGED),
    NUM_AVERAGED * TILES_PER_WORKER,
)
DELAYED = tuple(
    Way(f"delay {delay}", Parallelism(kind="delayed", delay=delay), TILES_PER_WORKER) for delay in DELAYS if delay
)
WAYS = (SEQUENTIAL, *DELAYED, AVERAGED)


class WaysGrid:
    """Trains ways at rates by seed, each once.

    Attributes:
      learner: The network that all of them start anew.
    """

    def __init__(self, bench: Bench, tiles: TileSet) -> None:
        self._bench, self._tiles = bench, tiles
        self._learned: dict[tuple[str, float, int], Learned] = {}
        self.learner = Learner(tiles, self.arm(SEQUENTIAL, RATES[0]).training.config, holds_batch_norm=True)

    def arm(self, way: Way, rate: float, seed: int = 0) -> Arm:
        """Returns the arm of a way at a rate."""
        arm = learning_arm(
            self._bench,
            self._tiles,
            way.name,
            way.parallelism,
            epochs=LearningSize.of(self._bench.preset).epochs,
            global_batch_size=way.batch_size,
            learning_rate=rate,
            **PLAIN_SGD,
        )
        return with_seed(arm, seed)

    def learned(self, way: Way, rate: float, seed: int) -> Learned:
        """Returns what the way learned."""
        key = (way.name, rate, seed)
        if key not in self._learned:
            self._learned[key] = learn(self.learner, self.arm(way, rate, seed))
        return self._learned[key]

    def means(self, way: Way, rate: float, seeds: Sequence[int]) -> tuple[float, float]:
        """Returns macro F1 and loss on the validation split, the means over seeds; the loss may be infinite."""
        scores = [self.learned(way, rate, seed).scores["val"] for seed in seeds]
        return statistics.mean(score.macro_f1 for score in scores), statistics.mean(score.loss for score in scores)

    def best_rate(self, way: Way, seeds: Sequence[int]) -> float:
        """Returns the rate with the best mean macro F1; of equal ones, that with the lowest loss."""
        found = {rate: self.means(way, rate, seeds) for rate in RATES}
        return min(RATES, key=lambda rate: (-found[rate][0], found[rate][1]))
