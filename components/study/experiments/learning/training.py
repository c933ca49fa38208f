"""Trains an arm in one process: in sequence, with averaged gradients, or with gradients that come late."""

import collections
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts.study import Witness
from components.study.arms.arm import Arm
from components.study.arms.derived import derived
from components.study.arms.recording import WitnessRecorder
from components.study.experiments.learning.learner import Learner, Score, mean_gradient
from components.train.settings.config import TrainConfig
from components.train.step.schedule import learning_rate


@dataclasses.dataclass(frozen=True)
class Learned:
    """What came of a training.

    Attributes:
      losses: Of each step, on its batch.
      scores: By split, after the last update.
    """

    losses: tuple[float, ...]
    scores: dict[str, Score]
    witness: Witness


def learn(
    learner: Learner,
    arm: Arm,
    splits: tuple[str, ...] = ("val", "test"),
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> Learned:
    """Trains the arm from weights that its seed draws.

    With a delay d, the gradient of step t is taken at weights that lack the last d updates, as if d + 1 workers updated
    shared weights in turn: it waits in a queue while d others are applied. All are applied in the end, so every tile
    counts once an epoch, whatever the delay.

    Args:
      splits: What to score in the end.
      after_epoch: Called with the number of each epoch, from 1, when it has ended.
    """
    config = arm.training.config
    learner.start(config.seed)
    recorder = WitnessRecorder(dataset=arm.source.dataset, machine=arm.place.machine, reads_same_pixels=True)
    recorder.add_weights(learner.weights())
    num_updates = int(derived(arm)["num_updates"])
    take_step = _stepper(learner, arm, num_updates)
    losses: list[float] = []
    for step, rows, ends_epoch in _batches(arm, num_updates):
        recorder.add_batch(*learner.batch(rows))
        losses.append(take_step(rows, step))
        recorder.add_loss(losses[-1])
        if ends_epoch:
            after_epoch((step + 1) * config.global_batch_size // arm.source.num_tiles)
    take_step(None, num_updates)
    scores = {split: learner.score(split) for split in splits}
    return Learned(tuple(losses), scores, recorder.witness())


def _stepper(learner: Learner, arm: Arm, num_updates: int) -> Callable[[NDArray[np.int64] | None, int], float]:
    """Returns a function that takes a step with these tiles and returns its loss; None applies what still waits."""
    config, how = arm.training.config, arm.parallelism
    update, waiting = learner.make_update(config), collections.deque[tuple[int, list[Any]]]()

    def apply_first() -> None:
        step, gradient = waiting.popleft()
        update(gradient, learning_rate(config, step, num_updates))

    def take_step(rows: NDArray[np.int64] | None, step: int) -> float:
        if rows is None:
            while waiting:
                apply_first()
            return 0.0
        parts = [learner.gradient(part, step, config) for part in np.split(rows, how.num_averaged)]
        waiting.append((step, mean_gradient([gradient for _, gradient in parts])))
        if len(waiting) > how.delay:
            apply_first()
        return float(np.mean([float(loss) for loss, _ in parts]))

    return take_step


def _batches(arm: Arm, num_updates: int) -> Iterator[tuple[int, NDArray[np.int64], bool]]:
    """Yields step, rows, and whether the epoch ends; each epoch leaves out the tiles that fill no batch."""
    config: TrainConfig = arm.training.config
    in_epoch = arm.source.num_tiles // config.global_batch_size
    for step in range(num_updates):
        epoch, place = divmod(step, in_epoch)
        if place == 0:
            order = np.random.default_rng([config.seed, 1_000_000 + epoch]).permutation(arm.source.num_tiles)
        first = place * config.global_batch_size
        yield step, order[first : first + config.global_batch_size], place == in_epoch - 1
