"""The gradient noise scale: from which batch on a larger one hardly helps."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.study.experiments.learning.learner import Learner, mean_gradient
from components.train.settings.config import TrainConfig

SMALL, BIG = 8, 64  # tiles


def noise_scale(small_norms: Sequence[float], big_norms: Sequence[float], small: int, big: int) -> float | None:
    """Returns B_simple, in tiles, or None if the gradient cannot be told from its noise.

    McCandlish et al. 2018, "An empirical model of large-batch training", appendix A.1. With the expected squared norms
    of gradients of two batches, |G|² is (big · |G_big|² − small · |G_small|²) / (big − small), the noise S is
    (|G_small|² − |G_big|²) / (1 / small − 1 / big), and B_simple is S / |G|². Both are unbiased, so their means over
    draws are taken before the ratio.

    Args:
      small_norms, big_norms: Squared norms of gradients of either batch.
      small, big: Tiles of a batch.
    """
    of_small, of_big = statistics.mean(small_norms), statistics.mean(big_norms)
    signal = (big * of_big - small * of_small) / (big - small)
    noise = (of_small - of_big) / (1 / small - 1 / big)
    return noise / signal if signal > 0 and noise >= 0 else None


def measured_noise_scale(learner: Learner, config: TrainConfig, num_tiles: int, num_draws: int) -> float | None:
    """Returns the noise scale at the learner's weights, whose tiles must not depend on each other.

    Args:
      num_tiles: Of the train split.
      num_draws: Big batches to draw; the parts of each are the small ones.
    """
    rng = np.random.default_rng([config.seed, 7])
    small_norms, big_norms = [], []
    for draw in range(num_draws):
        rows = rng.integers(num_tiles, size=BIG)  # with replacement, since the formula is for independent tiles
        parts = [learner.gradient(part, draw, config)[1] for part in np.split(rows, BIG // SMALL)]
        small_norms += [_squared_norm(part) for part in parts]
        big_norms.append(_squared_norm(mean_gradient(parts)))
    return noise_scale(small_norms, big_norms, SMALL, BIG)


def _squared_norm(gradient: Sequence[Any]) -> float:
    return float(sum(np.square(part.numpy().astype(np.float64)).sum() for part in gradient))
