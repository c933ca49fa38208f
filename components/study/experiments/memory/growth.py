"""How peak memory follows the size of the data: the slope of a straight line."""

from collections.abc import Sequence

import numpy as np


def fitted_slope(sizes: Sequence[float], peaks: Sequence[float]) -> float:
    """Returns by how much peaks grow for each unit of size, by least squares.

    Raises:
      ValueError: if there are fewer than two different sizes.
    """
    if len({*sizes}) < 2:
        raise ValueError(f"sizes must be at least two different ones, got {list(sizes)}")
    x = np.asarray(sizes, np.float64) - np.mean(sizes)
    return float(x @ (np.asarray(peaks, np.float64) - np.mean(peaks)) / (x @ x))
