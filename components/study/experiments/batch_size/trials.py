"""Batches × ways to choose the rate × what is held equal: each trained once by seed."""

import dataclasses
import statistics
from collections.abc import Sequence

from components.study.arms.arm import Arm
from components.study.experiments.experiment import Bench
from components.study.experiments.learning.learner import Learner
from components.study.experiments.learning.learning_arms import PLAIN_SGD, learning_arm, with_seed
from components.study.experiments.learning.sizes import LARGEST_BATCH, LearningSize
from components.study.experiments.learning.tiles import TileSet
from components.study.experiments.learning.training import Learned, learn

BATCHES = (8, 32, LARGEST_BATCH)
RATE, MOMENTUM, WARMUP = 0.005, 0.9, 0.2  # the rate of the smallest batch
EPOCHS, UPDATES = "equal epochs", "equal updates"


@dataclasses.dataclass(frozen=True)
class RateRule:
    """How the rate follows the batch.

    Attributes:
      is_scaled: Whether it grows with the batch (Goyal et al. 2017).
      warmup_fraction: Of the updates, in which it rises to its peak.
    """

    name: str
    is_scaled: bool = False
    warmup_fraction: float = 0.0


RULES = (
    RateRule("same rate"),
    RateRule("scaled rate", is_scaled=True),
    RateRule("scaled rate after warm-up", is_scaled=True, warmup_fraction=WARMUP),
)


class BatchTrials:
    """Trains the arms of this experiment, each once."""

    def __init__(self, bench: Bench, tiles: TileSet) -> None:
        self._bench, self._tiles = bench, tiles
        self._learned: dict[tuple[int, RateRule, str, int], Learned] = {}
        self._learner = Learner(tiles, self.arm(BATCHES[0], RULES[0], EPOCHS).training.config, holds_batch_norm=False)

    def arm(self, batch: int, rule: RateRule, held: str, seed: int = 0) -> Arm:
        """Returns the arm of a batch; `held` is EPOCHS or UPDATES, which are those of the middle batch."""
        epochs = LearningSize.of(self._bench.preset).epochs
        settings = {
            **PLAIN_SGD,
            "momentum": MOMENTUM,
            "nesterov": True,
            "learning_rate": RATE,
            "warmup_fraction": rule.warmup_fraction,
            "reference_batch_size": BATCHES[0] if rule.is_scaled else 0,
        }
        arm = learning_arm(
            self._bench, self._tiles, f"batch {batch}", epochs=epochs, global_batch_size=batch, **settings
        )
        if held == UPDATES:
            num_updates = epochs * (arm.source.num_tiles // BATCHES[1])
            arm = dataclasses.replace(arm, num_updates=num_updates)
        return with_seed(arm, seed)

    def learned(self, batch: int, rule: RateRule, held: str, seed: int) -> Learned:
        """Returns what came of a training."""
        key = (batch, rule, held, seed)
        if key not in self._learned:
            self._learned[key] = learn(self._learner, self.arm(*key))
        return self._learned[key]

    def means(self, batch: int, rule: RateRule, held: str, seeds: Sequence[int]) -> tuple[float, float]:
        """Returns macro F1 and loss on the validation split, the means over seeds; the loss may be infinite."""
        scores = [self.learned(batch, rule, held, seed).scores["val"] for seed in seeds]
        return statistics.mean(score.macro_f1 for score in scores), statistics.mean(score.loss for score in scores)

    def best_rule(self, batch: int, held: str, seeds: Sequence[int]) -> RateRule:
        """Returns the rule that is best for a batch on the validation split."""
        found = {rule: self.means(batch, rule, held, seeds) for rule in RULES}
        return min(RULES, key=lambda rule: (-found[rule][0], found[rule][1]))
