"""Calibration and "not sure" of an evaluation: fitted on val, measured on test."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.contracts import Calibration, ClassNotSure, ClassReliability, NotSure, Reliability
from components.f1_score import macro
from components.scoring.calibration import Scaling, calibrated, fit, identity
from components.scoring.reliability import brier_scores, calibration_errors
from components.scoring.resamples import field_weights, interval_of
from components.scoring.risk_control import lowest_scores, miss_shares, not_sure

SINGLE_LABEL = "single_label"


def no_calibration(num_classes: int) -> Calibration:
    """Returns the calibration of a model without val tiles: its logits are taken as they are."""
    return _as_contract(identity(num_classes))


def fit_calibration(
    logits: NDArray[np.float32],
    labels: NDArray[np.bool_],
    unit_of_tile: NDArray[np.int32],
    num_units: int,
    label_mode: str,
) -> Calibration:
    """Returns the calibration that fits the val split; see calibration.fit for the arguments."""
    return _as_contract(fit(logits, labels, unit_of_tile, num_units, label_mode == SINGLE_LABEL))


def apply_calibration(logits: NDArray[np.float32], calibration: Calibration, label_mode: str) -> NDArray[np.float32]:
    """Returns the probabilities, [N, C], as the served model gives them."""
    scaling = Scaling(calibration.slopes, calibration.offsets)
    return calibrated(logits, scaling, label_mode == SINGLE_LABEL)


def _as_contract(scaling: Scaling) -> Calibration:
    return Calibration(slopes=scaling.slopes, offsets=scaling.offsets)


def no_bounds(num_classes: int, max_miss_rate: float, thresholds: Sequence[float], label_mode: str) -> NotSure:
    """Returns when a model without val tiles says "not sure": wherever it does not say yes, unless it may miss all."""
    nothing = np.zeros((0, num_classes), np.float32)
    return choose_bounds(nothing, nothing > 0, np.zeros(0, np.int32), max_miss_rate, thresholds, label_mode)


def choose_bounds(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.bool_],
    unit_of_tile: NDArray[np.int32],
    max_miss_rate: float,
    thresholds: Sequence[float],
    label_mode: str,
) -> NotSure:
    """Returns when a model says "not sure", by the tiles of the val split, [N, C]; nothing is measured yet."""
    low, num_fields = lowest_scores(probabilities, labels, unit_of_tile, max_miss_rate)
    if label_mode != SINGLE_LABEL:  # nothing above a threshold is a no
        low = tuple(min(bound, threshold) for bound, threshold in zip(low, thresholds, strict=True))
    return NotSure(max_miss_rate=max_miss_rate, low=low, num_val_fields=num_fields)


def where_not_sure(
    probabilities: NDArray[np.float32], predicted: NDArray[np.bool_], bounds: NotSure
) -> NDArray[np.bool_]:
    """Returns where a model says "not sure", bool [N, C]."""
    return not_sure(probabilities, predicted, bounds.low)


def bounds_note(bounds: NotSure, classes: Sequence[str]) -> str:
    """Returns a line for the log about the classes that are never ruled out for want of fields; empty if none is."""
    if not bounds.max_miss_rate:
        return 'evaluate_max_miss_rate is 0, so the model never says "no"'
    few = [name for name, low in zip(classes, bounds.low, strict=True) if not low]
    if not few:
        return ""
    needed = int(np.ceil(round(1 / bounds.max_miss_rate - 1, 9)))
    return (
        f'the model never says "no" to {", ".join(few)}, only "not sure": to miss at most {bounds.max_miss_rate:g} of '
        f"a class takes {needed:,} val fields that have it, and higher probabilities there"
    )


def measured(
    bounds: NotSure,
    classes: Sequence[str],
    labels: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    unsure: NDArray[np.bool_],
    unit_of_tile: NDArray[np.int32],
    num_units: int,
) -> NotSure:
    """Returns `bounds` with what came of them on the test split.

    Args:
      labels, predicted, unsure: [N, C]; N is at least 1.
      unit_of_tile: The number of each tile's field, below `num_units`, [N].
    """
    shares = miss_shares(predicted, unsure, labels, unit_of_tile, num_units)
    has = np.isfinite(shares)
    num_fields = has.sum(axis=0)
    rates = np.nan_to_num(shares).sum(axis=0) / np.maximum(num_fields, 1)
    resampled = _resampled_means(np.nan_to_num(shares), has)
    of_tiles = unsure.mean(axis=0, dtype=np.float64)
    per_class = {
        name: ClassNotSure(
            miss_rate=float(rates[c]),
            miss_interval=interval_of(resampled[:, c], float(rates[c]), int(num_fields[c])),
            num_fields=int(num_fields[c]),
            share=float(of_tiles[c]),
        )
        for c, name in enumerate(classes)
    }
    return msgspec.structs.replace(
        bounds, miss_rate=macro(rates, num_fields), share=float(of_tiles.mean()), per_class=per_class
    )


def _resampled_means(shares: NDArray[np.float64], has: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean over the fields that have each class in each resample of the fields, [R, C]; NaN for none."""
    columns = np.concatenate([shares, has], axis=1).astype(np.float32)
    sums = np.concatenate([weights @ columns for weights in field_weights(len(shares))])
    lost, fields = np.split(sums.astype(np.float64), 2, axis=1)
    return np.where(fields > 0, lost / np.maximum(fields, 1), np.nan)


def reliability(
    classes: Sequence[str],
    labels: NDArray[np.bool_],
    uncalibrated: NDArray[np.float32],
    probabilities: NDArray[np.float32],
) -> Reliability:
    """Returns how far probabilities can be taken at their word, without and with calibration; arrays [N, C]."""
    support = labels.sum(axis=0)
    columns = {
        "ece_before": calibration_errors(uncalibrated, labels),
        "ece": calibration_errors(probabilities, labels),
        "brier_before": brier_scores(uncalibrated, labels),
        "brier": brier_scores(probabilities, labels),
    }
    return Reliability(
        **{name: macro(values, support) for name, values in columns.items()},
        per_class={
            name: ClassReliability(**{measure: float(values[c]) for measure, values in columns.items()})
            for c, name in enumerate(classes)
        },
    )
