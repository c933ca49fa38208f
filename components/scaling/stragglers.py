"""How long the slowest of several workers takes for a step, which all others wait for."""

import functools
import statistics

import numpy as np
from numpy.typing import ArrayLike

_QUANTILES = 10_000


def expected_maximum(draws: ArrayLike, num_workers: int) -> float:
    """Returns the mean of the largest of `num_workers` independent draws from those that were measured.

    It is exact for the distribution of the measured draws: the i-th smallest of M is the largest of N with the
    probability (i / M)^N - ((i - 1) / M)^N.

    Args:
      draws: Times of a step that were measured, [M].
      num_workers: At least 1.
    """
    ordered = np.sort(np.asarray(draws, np.float64).ravel())
    if ordered.size == 0 or num_workers < 1:
        raise ValueError(f"needs at least one draw and one worker, got {ordered.size} and {num_workers}")
    shares = (np.arange(ordered.size + 1) / ordered.size) ** num_workers  # [M + 1]
    return float(np.diff(shares) @ ordered)


def waits_for_slowest(of_two: float, num_workers: int) -> float:
    """Returns how long each of N workers waits for the slowest, from how long each of two does.

    For times that are normal, the slowest of N takes c_N standard deviations longer than the mean.

    Args:
      of_two: Seconds, of any stretch between two exchanges, or of all stretches of a step together.
    """
    return of_two * _normal_maximum(num_workers) / _normal_maximum(2)


@functools.cache
def _normal_maximum(num_workers: int) -> float:
    """Returns c_N, the mean of the largest of N standard normal draws."""
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    normal = statistics.NormalDist()
    return expected_maximum([normal.inv_cdf(place) for place in places], num_workers)


def as_of_one(draws: ArrayLike, num_workers: int) -> np.ndarray:
    """Returns times of one worker, given times that are each the largest of `num_workers`. Errs high.

    The spread of maxima is smaller than that of what they are maxima of, so that the mean is lowered by what the
    largest of as many draws from the maxima themselves has above their mean.
    """
    values = np.asarray(draws, np.float64).ravel()
    excess = expected_maximum(values, num_workers) - float(values.mean())
    return np.maximum(values - excess, 0.0)
