"""Balanced sampling: how often an epoch reads each record, so that rare classes are seen as often as frequent ones.

Pure functions of the labels and of (seed, epoch): all workers compute the same plan, and each takes its slices of it.
"""

import numpy as np
from numpy.typing import NDArray


def effective_number(counts: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Returns the effective number of n tiles, (1 - beta ** n) / (1 - beta) (Cui et al. 2019, equation 2)."""
    return np.asarray((1.0 - beta**counts) / (1.0 - beta), np.float64)


def sampling_weights(labels: NDArray[np.bool_], sampling: str, beta: float) -> NDArray[np.float64]:
    """Returns how often each record is read, relative to the average, float64 [N], mean 1.

    A class's weight is the inverse of its number of tiles, or of its effective number; a tile has the weight of its
    rarest class. Tiles without any class form a class of their own.

    Args:
      labels: Whether the tile has the class, [N, C].
      sampling: "inverse_frequency" or "effective_number".
      beta: The beta of effective_number.
    """
    columns = [*labels.T, ~labels.any(axis=1)]  # [C + 1][N]
    counts = np.maximum([float(np.count_nonzero(column)) for column in columns], 1.0)
    worth = counts if sampling == "inverse_frequency" else effective_number(counts, beta)
    weights = np.zeros(len(labels))
    for column, own in zip(columns, worth, strict=True):
        np.maximum(weights, column / own, out=weights)
    return np.asarray(weights / weights.mean(), np.float64)


def balanced_order(weights: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns the records of an epoch in order, int64 [N]; each occurs `weights` times, rounded up or down.

    Uses systematic sampling: the weights are laid end to end on a line, and points at equal distances, from a random
    start, select records. Over many epochs, each record occurs as often as its weight says, and in no epoch much more
    or less often. The order of the records on the line decides which of them compete for a point, so each epoch draws a
    new order.

    Args:
      weights: From sampling_weights, [N].
      seed: Seed of the training.
      epoch: The epoch, from 0.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    num_records = len(weights)
    line = generator.permutation(num_records)
    ends = np.cumsum(weights[line])
    points = (np.arange(num_records) + generator.random()) * (ends[-1] / num_records)
    drawn = line[np.minimum(np.searchsorted(ends, points, side="right"), num_records - 1)]
    return generator.permutation(drawn).astype(np.int64)
