"""How far probabilities can be taken at their word: expected calibration error, Brier score, reliability tables.

The expected calibration error (ECE) of a class is the mean distance, over bins of tiles with similar probabilities,
between the mean probability and the share of tiles that have the class, weighted by tiles (Naeini, Cooper and
Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015). The bins hold equally many
tiles, because those of equal width leave nearly all tiles of a rare class in the first one (Nixon and others,
Measuring Calibration in Deep Learning, CVPR workshops 2019). Each class is asked by itself, and tiles of equal
probability share a bin. Chance alone gives an ECE above 0: about the square root of p (1 - p) NUM_BINS / N for N
tiles.

The Brier score is the mean squared distance between probability and truth (Brier, Verification of Forecasts Expressed
in Terms of Probability, Monthly Weather Review 78, 1950); it also falls if the tiles are told apart better.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.scoring.resamples import LEVEL, t_quantile

NUM_BINS = 15


@dataclasses.dataclass(frozen=True)
class ReliabilityBins:
    """The reliability table of one class, of at most NUM_BINS bins by ascending probability; arrays [B].

    Attributes:
      predicted: The mean probability of the bin's tiles.
      observed: The share of them that have the class.
      counts: The number of them.
      low, high: The 95 % interval of `observed`, by field.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    counts: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error, in 0..1; 0 without tiles."""
        return float((np.abs(self.predicted - self.observed) * self.counts).sum() / max(self.counts.sum(), 1))


def reliability_bins(
    probabilities: NDArray[np.float32], labels: NDArray[np.bool_], unit_of_tile: NDArray[np.int32], num_units: int
) -> ReliabilityBins:
    """Returns the table of one class.

    Args:
      probabilities, labels: [N].
      unit_of_tile: The number of each tile's field, below `num_units`, [N].
    """
    bin_of_tile, counts = _bins(probabilities)
    num_bins = len(counts)
    predicted, true = (np.bincount(bin_of_tile, of, num_bins) for of in (probabilities.astype(np.float64), labels))
    observed = true / np.maximum(counts, 1)
    cells = bin_of_tile * num_units + unit_of_tile
    tiles, with_class = (
        np.bincount(cells, of, num_bins * num_units).reshape(num_bins, num_units)
        for of in (np.ones(len(cells)), labels)
    )
    low, high = _intervals(observed, tiles, with_class)
    return ReliabilityBins(predicted / np.maximum(counts, 1), observed, counts, low, high)


def calibration_error(probabilities: NDArray[np.float32], labels: NDArray[np.bool_]) -> float:
    """Returns the expected calibration error of one class, in 0..1; the arguments are [N], N may be 0."""
    bin_of_tile, counts = _bins(probabilities)
    # The distance of the sums is the distance of the means, times the tiles.
    away = np.bincount(bin_of_tile, probabilities.astype(np.float64) - labels, len(counts))
    return float(np.abs(away).sum() / max(len(labels), 1))


def brier_score(probabilities: NDArray[np.float32], labels: NDArray[np.bool_]) -> float:
    """Returns the Brier score of one class, in 0..1; the arguments are [N], N may be 0."""
    away = probabilities.astype(np.float64) - labels
    return float(away @ away / max(len(labels), 1))


def _bins(probabilities: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Returns each tile's bin, [N], and the number of tiles of each, [B]."""
    if not len(probabilities):
        return np.array([], np.intp), np.array([], np.int64)
    places = np.unique(np.arange(1, NUM_BINS) * len(probabilities) // NUM_BINS)
    edges = np.unique(np.partition(probabilities, places)[places])
    found = np.searchsorted(edges, probabilities, side="right")
    counts = np.bincount(found, minlength=len(edges) + 1)
    full = counts > 0
    return (np.cumsum(full) - 1)[found], counts[full]


def _intervals(
    observed: NDArray[np.float64], tiles: NDArray[Any], with_class: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the ends of the intervals of shares.

    The standard deviation of a ratio of sums over fields (Cochran, Sampling Techniques, 3rd edition, 1977, section
    6.3), with Student's t. If no field, or every tile, has the class, the other end is what would give that in 2.5 % of
    the cases, as in resamples.interval_of.

    Args:
      observed: [B].
      tiles, with_class: By bin and field, [B, U].
    """
    low, high = np.zeros(len(observed)), np.ones(len(observed))
    fields = (tiles > 0).sum(axis=1)
    rest = ((with_class - observed[:, np.newaxis] * tiles) ** 2).sum(axis=1)
    for b, (share, n) in enumerate(zip(observed, fields.tolist(), strict=True)):
        if n < 2:
            continue
        half = t_quantile((1 + LEVEL) / 2, n - 1) * math.sqrt(rest[b] * n / (n - 1)) / tiles[b].sum()
        unseen = 1 - ((1 - LEVEL) / 2) ** (1 / n)
        low[b] = min(share - half, 1 - unseen) if share >= 1 else share - half
        high[b] = max(share + half, unseen) if share <= 0 else share + half
    return np.clip(low, 0, 1), np.clip(high, 0, 1)
