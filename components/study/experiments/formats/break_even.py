"""After how many epochs a conversion has paid for itself, with an interval that follows from that of its parts."""

import math
import statistics
from collections.abc import Sequence

from components.measuring.median_interval import median_interval


def break_even_epochs(
    rounds: Sequence[tuple[float, float, float]], alpha: float
) -> tuple[float, tuple[float, float] | None]:
    """Returns the epochs after which the conversion has paid, conversion / (slow - fast), and their interval.

    The interval is that of what an epoch saves, as a share of the conversion, turned over: the median of a monotone
    function is that function of the median. An end at which nothing is saved is infinite: it never pays.

    Args:
      rounds: Of each, the seconds of the conversion, of an epoch without it, and of an epoch with it.
      alpha: The probability that the interval may miss.

    Returns:
      Both; the interval is None if the rounds are too few.
    """
    saved = [(slow - fast) / conversion for conversion, slow, fast in rounds]
    interval = median_interval(saved, alpha)
    ends = None if interval is None else (_epochs(interval[1]), _epochs(interval[0]))
    return _epochs(statistics.median(saved)), ends


def _epochs(saved_share: float) -> float:
    return 1.0 / saved_share if saved_share > 0 else math.inf
