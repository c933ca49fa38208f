"""Balanced sampling: how often an epoch reads each record, so that rare classes are seen as often as frequent ones.

Pure functions of the labels and of (seed, epoch); every worker computes the same plan and takes its slices of it.
"""

import concurrent.futures

import numpy as np
from numpy.typing import NDArray

from components.tile_record import deserialize
from components.train.shard_index import ShardIndex

_NUM_THREADS = 32  # a bucket answers in tens of milliseconds


def effective_number(counts: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Returns (1 - beta ** n) / (1 - beta), how many tiles n tiles are worth (Cui et al. 2019, equation 2)."""
    return np.asarray((1.0 - beta**counts) / (1.0 - beta), np.float64)


def sampling_weights(labels: NDArray[np.float32], sampling: str, beta: float) -> NDArray[np.float64]:
    """Returns how much oftener a record is read than the average one, float64 [N], mean 1.

    A class weighs the inverse of its number of tiles, or of its effective number; a tile weighs as much as its rarest
    class. Tiles without any class count as a class of their own.

    Args:
      labels: 1.0 where the tile has the class, [N, C].
      sampling: "inverse_frequency" or "effective_number".
      beta: of effective_number.
    """
    has_none = labels.sum(axis=1, keepdims=True) == 0
    has = np.concatenate([labels > 0, has_none], axis=1)  # [N, C + 1]
    counts = np.maximum(has.sum(axis=0).astype(np.float64), 1.0)
    worth = counts if sampling == "inverse_frequency" else effective_number(counts, beta)
    weights = np.asarray((has / worth).max(axis=1), np.float64)
    return np.asarray(weights / weights.mean(), np.float64)


def balanced_order(weights: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns the records of an epoch in order, int64 [N]; a record occurs `weights` times, rounded up or down.

    Systematic sampling: points at equal distances on the line of all weights, from a random start. Over the epochs each
    record comes as often as its weight says, and in none of them much more or less. Which records share a point
    depends on their order on the line, so that is drawn anew each epoch.

    Args:
      weights: from sampling_weights, [N].
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    num_records = len(weights)
    line = generator.permutation(num_records)
    ends = np.cumsum(weights[line])
    points = (np.arange(num_records) + generator.random()) * (ends[-1] / num_records)
    drawn = line[np.minimum(np.searchsorted(ends, points, side="right"), num_records - 1)]
    return generator.permutation(drawn).astype(np.int64)


def read_labels(index: ShardIndex, num_classes: int) -> NDArray[np.float32]:
    """Reads the labels of all records, once, float32 [N, C].

    Raises:
      DataError: for a damaged record; names the shard.
    """

    def labels(record: int) -> list[float]:
        return list(deserialize(index.read(record), num_classes).labels)

    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as pool:
        rows = list(pool.map(labels, range(len(index))))
    return np.array(rows, np.float32).reshape(-1, num_classes)
