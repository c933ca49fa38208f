"""Calibration: turns a model's logits into probabilities that one can take at their word.

Of all tiles that are answered "0.7" for a class, 70 % should have it. Training does not promise that: class weights,
early stopping and sharp losses move and stretch the logits of every class differently. Platt scaling puts it right,
with a slope and an offset for each class (Platt, Probabilistic Outputs for Support Vector Machines, 1999):

    probability = sigmoid(slope * logit + offset)

A slope is positive, so the order of a class's tiles stays, and with it AP and ROC-AUC. In single-label mode, all
classes have one slope, the inverse of a temperature (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural
Networks, ICML 2017), and no offsets, so calibration never changes which class is the most probable:

    probabilities = softmax(slope * logits)

components/scoring/platt_fit.py fits them; components/push/serving.py computes the same inside the served model.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.scoring.logit_bins import Column, count_logits
from components.scoring.platt_fit import fit_classes
from components.scoring.temperature_fit import fit_temperature

# Rounding keeps the last bits of a logit from changing a slope, and with it the model's version.
_DECIMALS = 4


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What is done to the logits of each class.

    Attributes:
      slopes: Above 0, [C].
      offsets: In log-odds, [C].
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]


def identity(num_classes: int) -> Scaling:
    """Returns the scaling of a model that nothing is known of: its logits are taken as they are."""
    return Scaling((1.0,) * num_classes, (0.0,) * num_classes)


def fit_each(columns: Iterable[Column], unit_of_tile: NDArray[np.int32], num_units: int) -> Scaling:
    """Fits a slope and an offset for each class, on a split that training has not learned from.

    Args:
      columns: For each class the finite logits and the labels of all tiles, [N] each; one is held at a time.
      unit_of_tile: The number of each tile's field, below `num_units`, [N]; N is at least 1.
    """
    slopes, offsets = fit_classes(count_logits(columns, unit_of_tile, num_units))
    return _rounded(slopes.tolist(), offsets.tolist())


def fit_together(
    logits: NDArray[np.float32], labels: NDArray[np.bool_], unit_of_tile: NDArray[np.int32], num_units: int
) -> Scaling:
    """Fits the one slope of classes that exclude each other.

    Args:
      logits: Finite, [N, C], N at least 1; like `labels`, [N, C], of which each tile has exactly one, perhaps on disk.
      unit_of_tile: As in fit_each.
    """
    slope = fit_temperature(logits, labels, unit_of_tile, num_units)
    return _rounded([slope] * logits.shape[1], [0.0] * logits.shape[1])


def calibrated(logits: NDArray[np.float32], scaling: Scaling, single_label: bool) -> NDArray[np.float32]:
    """Returns the probabilities, float32 [N, C], as the served model computes them, to 1e-6."""
    scaled = np.asarray(logits, np.float32) * np.asarray(scaling.slopes, np.float32)
    scaled += np.asarray(scaling.offsets, np.float32)
    if single_label:
        scaled -= scaled.max(axis=1, keepdims=True)
        odds = np.exp(scaled)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))
    small = np.exp(-np.abs(scaled))  # which never overflows
    return np.asarray(np.where(scaled >= 0, 1, small) / (1 + small), np.float32)


def _rounded(slopes: Sequence[float], offsets: Sequence[float]) -> Scaling:
    return Scaling(
        tuple(max(round(slope, _DECIMALS), 10**-_DECIMALS) for slope in slopes),
        tuple(round(offset, _DECIMALS) + 0.0 for offset in offsets),  # never -0.0
    )
