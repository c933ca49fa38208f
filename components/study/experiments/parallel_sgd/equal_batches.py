"""Averaging the gradients of workers is one big batch: the difference of weights is measured after each update."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.errors import DataError
from components.study.experiments.learning.learner import Learner, mean_gradient
from components.train.settings.config import TrainConfig

TOLERANCE = 1e-5  # of a weight, absolute: float32 adds in another order, and nothing else may differ


def weight_differences(
    learner: Learner, config: TrainConfig, num_tiles: int, num_averaged: int, num_updates: int
) -> list[float]:
    """Returns the largest difference of any weight after 1, 2, … updates.

    Args:
      config: Its global batch is cut into `num_averaged` parts, whose gradients are averaged.
      num_tiles: Of the train split.

    Raises:
      DataError: if a difference exceeds TOLERANCE.
    """
    rng = np.random.default_rng(config.seed)
    rows = [rng.choice(num_tiles, config.global_batch_size, replace=False) for _ in range(num_updates)]
    whole, averaged = (_trained(learner, config, rows, parts) for parts in (1, num_averaged))
    found = [
        max(float(np.abs(left - right).max()) for left, right in zip(one, other, strict=True))
        for one, other in zip(whole, averaged, strict=True)
    ]
    if max(found) > TOLERANCE:
        raise DataError(
            f"the mean of {num_averaged} gradients must move weights as one batch does, to {TOLERANCE:g}, got a "
            f"difference of {max(found):g}; the network's answer to a tile depends on the tiles beside it"
        )
    return found


def _trained(learner: Learner, config: TrainConfig, rows: Sequence[Any], num_parts: int) -> list[list[Any]]:
    learner.start(config.seed)
    update, after = learner.make_update(config), []
    for step, of_step in enumerate(rows):
        parts = [learner.gradient(part, step, config)[1] for part in np.split(of_step, num_parts)]
        update(mean_gradient(parts), config.learning_rate)
        after.append([values for _, values in learner.weights()])
    return after
