"""The mean score of a trial over its seeds, with the interval that their spread allows."""

import math
import statistics
from collections.abc import Sequence

# Two-sided 95 % quantiles of Student's t, for 1 to 9 degrees of freedom.
_T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def seed_interval(scores: Sequence[float]) -> tuple[float, float] | None:
    """Returns the 95 % interval of the mean score of all seeds, by Student's t, cut to 0..1; None for a single seed.

    It holds what seeds change, and says nothing of how the scores would be on other tiles. With two or three seeds it
    is wide, because so few say little about their spread.

    Args:
      scores: One for each seed, 1 to 10, in 0..1.
    """
    if len(scores) < 2:
        return None
    mean, spread = statistics.fmean(scores), statistics.stdev(scores)
    half = _T_QUANTILES[len(scores) - 2] * spread / math.sqrt(len(scores))
    return max(0.0, mean - half), min(1.0, mean + half)
