"""Fits the one slope of a single-label model, the inverse of its temperature; see calibration.py.

As in platt_fit.py, all tiles count the same and together weigh as much as their fields, and a prior draws the slope
towards 1. Of more than a million tiles, evenly spaced ones are taken: with so many, chance moves the slope by less than
0.002.
"""

import numpy as np
from numpy.typing import NDArray

from components.scoring.logit_bins import effective_fields, row_blocks

MOST_TILES = 1_000_000
_WEIGHT = 1.0  # of the prior, as that of a log slope in platt_fit.py
_LARGEST_LOG_SLOPE = 4.0
_LARGEST_STEP = 1.0
_MOST_STEPS = 60
_PRECISION = 1e-7


def fit_temperature(
    logits: NDArray[np.float32], labels: NDArray[np.bool_], unit_of_tile: NDArray[np.int32], num_units: int
) -> float:
    """Returns the slope; see calibration.fit_together for the arguments."""
    every = -(-len(logits) // MOST_TILES)
    some, true = logits[::every], np.asarray(labels[::every]).argmax(axis=1)
    of_units = np.bincount(unit_of_tile[::every], minlength=num_units)[np.newaxis]
    weight = float(effective_fields(of_units)[0]) / len(some)
    # Convex in the slope; the logarithm keeps it positive, and the value keeps a step from going too far.
    log_slope = 0.0
    now, gradient, second = _likelihood(some, true, log_slope, weight)
    for _ in range(_MOST_STEPS):
        step = float(np.clip(-gradient / second, -_LARGEST_STEP, _LARGEST_STEP))
        then = _likelihood(some, true, log_slope + step, weight)
        while then[0] > now and abs(step) > _PRECISION:
            step /= 2
            then = _likelihood(some, true, log_slope + step, weight)
        if then[0] > now:
            break
        log_slope += step
        now, gradient, second = then
        if abs(step) < _PRECISION:
            break
    return float(np.exp(np.clip(log_slope, -_LARGEST_LOG_SLOPE, _LARGEST_LOG_SLOPE)))


def _likelihood(
    logits: NDArray[np.float32], true: NDArray[np.intp], log_slope: float, weight: float
) -> tuple[float, float, float]:
    """Returns minus the log posterior, its gradient, and its expected second derivative."""
    value, gradient, second = 0.0, 0.0, 0.0
    for rows in row_blocks(*logits.shape):
        x = np.exp(log_slope) * np.asarray(logits[rows], np.float64)
        x -= x.max(axis=1, keepdims=True)
        odds = np.exp(x)
        total = odds.sum(axis=1)
        p = odds / total[:, np.newaxis]
        of_true = x[np.arange(len(x)), true[rows]]
        mean = (p * x).sum(axis=1)
        value += float((np.log(total) - of_true).sum())
        gradient += float((mean - of_true).sum())
        second += float(((p * x**2).sum(axis=1) - mean**2).sum())
    prior = _WEIGHT * log_slope**2 / 2
    return weight * value + prior, weight * gradient + _WEIGHT * log_slope, weight * second + _WEIGHT
