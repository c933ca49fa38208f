"""Measures how far two samples are apart, and whether by more than chance. Pure functions of counts."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
_MAX_VALUE = 255


def ratio_test(counts: Counts, sizes: Counts, earlier_counts: Counts, earlier_sizes: Counts) -> float:
    """Returns the two-sided p-value for two ratios sum(counts) / sum(sizes) being from one population of fields.

    The score test for clustered data of Rao & Scott (1992, Biometrics 48:577), on the linearised ratio estimator
    (Cochran 1977, "Sampling Techniques", ch. 6): the residuals of the fields from the common ratio give the variance
    of the difference, so many tiles of few fields prove little. The pooled variance also holds if a class has no tile
    in one dataset. It would be too small if a small dataset scatters more than a large one; then the sum of both
    datasets' own variances (Welch 1947) is used.

    Args:
      counts, sizes: By field, [F], and for the earlier dataset [F']; both non-empty, with a positive sum of sizes.
    """
    ratio = (counts.sum() + earlier_counts.sum()) / (sizes.sum() + earlier_sizes.sum())
    new, old = (
        (own_counts - ratio * own_sizes) / own_sizes.mean()  # [F]; their mean is the ratio's distance from the common
        for own_counts, own_sizes in ((counts, sizes), (earlier_counts, earlier_sizes))
    )
    pooled = (np.square(new).sum() + np.square(old).sum()) / max(len(new) + len(old) - 1, 1)
    own = sum(values.var() / max(len(values) - 1, 1) for values in (new, old))
    variance = max(pooled * (1 / len(new) + 1 / len(old)), own)
    difference = abs(new.mean() - old.mean())
    return math.erfc(difference / math.sqrt(2 * variance)) if variance > 0 else 1.0


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Returns the p-values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6:65)."""
    adjusted, largest = {}, 0.0
    for rank, (name, value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * value))
        adjusted[name] = largest
    return adjusted


def stability_index(share: float, earlier_share: float, num_tiles: int, earlier_num_tiles: int) -> float:
    """Returns the population stability index of having a class or not: 0 for equal shares, 0.1 is noticeable.

    The sum of (p - q) ln(p / q) over both outcomes (Siddiqi 2006, "Credit Risk Scorecards"), which is
    Jeffreys' divergence. Half a tile is added to each outcome, because a share of 0 has no logarithm.
    """
    new, old = (
        (part * count + 0.5) / (count + 1) for part, count in ((share, num_tiles), (earlier_share, earlier_num_tiles))
    )
    return float((new - old) * (math.log(new / old) - math.log((1 - new) / (1 - old))))


def jensen_shannon(counts: Sequence[float], earlier: Sequence[float]) -> float:
    """Returns the Jensen-Shannon distance of two distributions: 0 for equal ones, 1 for nothing in common.

    The square root, which is a metric (Endres & Schindelin 2003, IEEE Transactions on Information Theory 49:1858), of
    the divergence in bits (Lin 1991, ibid. 37:145). Unlike a mean and a deviation, it shows any change of shape.

    Args:
      counts, earlier: By value, [V]; neither is all 0.
    """
    new, old = (np.asarray(each, np.float64) / sum(each) for each in (counts, earlier))
    middle = (new + old) / 2
    bits = [(part[part > 0] * np.log2(part[part > 0] / middle[part > 0])).sum() for part in (new, old)]
    return math.sqrt(max(0.0, float(sum(bits)) / 2))


def wasserstein(histogram: Sequence[int], earlier: Sequence[int]) -> float:
    """Returns how far the pixels of one histogram, [256], move on average to make the other, in 0..1.

    The first Wasserstein distance: the area between the two cumulative distributions (Vallender 1974).
    """
    new, old = (np.cumsum(values) / max(sum(values), 1) for values in (histogram, earlier))
    return float(np.abs(new - old)[:-1].sum() / _MAX_VALUE)
