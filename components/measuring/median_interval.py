"""An exact interval for a median: two of the sorted values, by the binomial distribution.

Each value lies below the true median with probability 1/2, whatever its distribution, so the number below is binomial,
and the interval from the k-th smallest to the k-th largest value misses the median with probability
2 * P(Binomial(n, 1/2) < k) (David and Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1). Nothing is assumed
of the noise: neither its shape nor that rounds are equally noisy.
"""

import math
import statistics
from collections.abc import Sequence
from fractions import Fraction


def fewest_values(alpha: float) -> int:
    """Returns how many values an interval needs that misses the median with probability `alpha` at most.

    The widest interval, from the smallest to the largest value, misses it if all lie on one side: 2 * (1/2)^n. So 6
    values are the fewest for 95 %.

    Raises:
      ValueError: if `alpha` is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, got {alpha}")
    count = 1
    while Fraction(2, 2**count) > Fraction(alpha):
        count += 1
    return count


def median_interval(values: Sequence[float], alpha: float) -> tuple[float, float] | None:
    """Returns the shortest such interval that misses the true median with probability `alpha` at most.

    Returns:
      Its ends, or None if the values are too few for any: see `fewest_values`.

    Raises:
      ValueError: if a value is not finite, because it has no place among the others.
    """
    if odd := [value for value in values if not math.isfinite(value)]:
        raise ValueError(f"values must be finite, got {odd[0]}")
    count = len(values)
    if count < fewest_values(alpha):
        return None
    allowed = Fraction(alpha) / 2 * 2**count  # of the 2^n ways to lie below or above
    rank, ways = 0, 1  # `ways` have at most `rank` values below
    while ways + math.comb(count, rank + 1) <= allowed:
        rank += 1
        ways += math.comb(count, rank)
    ranked = sorted(values)
    return ranked[rank], ranked[-1 - rank]


def median_of_ratios(pairs: Sequence[tuple[float, float]]) -> float:
    """Returns the median of first / second over the pairs: of the pairs' ratios, not the ratio of two medians."""
    return statistics.median(first / second for first, second in pairs)
