"""Calibration and "not sure" of an evaluation: fitted on val, measured on test."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.contracts import Calibration, ClassNotSure, ClassReliability, NotSure, Reliability
from components.evaluate.reading.columns import forget
from components.evaluate.reading.predictions import SplitColumns
from components.f1_score import macro
from components.scoring.calibration import Scaling, calibrated, fit_each, fit_together, identity
from components.scoring.reliability import brier_score, calibration_error
from components.scoring.resamples import each_interval, field_weights
from components.scoring.risk_control import lowest_score, miss_shares, not_sure

SINGLE_LABEL = "single_label"


def no_calibration(num_classes: int) -> Calibration:
    """Returns the calibration of a model without val tiles: its logits are taken as they are."""
    return _as_contract(identity(num_classes))


def fit_calibration(val: SplitColumns, logits: NDArray[np.float32], label_mode: str) -> Calibration:
    """Returns the calibration that fits a model's logits on the val split, [N, C]."""
    if not len(val):
        return no_calibration(logits.shape[1])
    if label_mode == SINGLE_LABEL:
        return _as_contract(fit_together(logits, val.labels, val.unit_of_tile, len(val.units)))
    columns = ((column, has) for column, has in _by_column(logits, val.labels))
    return _as_contract(fit_each(columns, val.unit_of_tile, len(val.units)))


def apply_calibration(logits: NDArray[np.float32], calibration: Calibration, label_mode: str) -> NDArray[np.float32]:
    """Returns the probabilities, [N, C], as the served model gives them."""
    scaling = Scaling(calibration.slopes, calibration.offsets)
    return calibrated(logits, scaling, label_mode == SINGLE_LABEL)


def _as_contract(scaling: Scaling) -> Calibration:
    return Calibration(slopes=scaling.slopes, offsets=scaling.offsets)


def no_bounds(num_classes: int, max_miss_rate: float, thresholds: Sequence[float], label_mode: str) -> NotSure:
    """Returns when a model without val tiles says "not sure": wherever it does not say yes, unless it may miss all."""
    found = [lowest_score(np.zeros(0, np.float32), np.zeros(0, np.int32), max_miss_rate)] * num_classes
    return _bounds(found, max_miss_rate, thresholds, label_mode)


def choose_bounds(
    val: SplitColumns,
    probabilities: NDArray[np.float32],
    max_miss_rate: float,
    thresholds: Sequence[float],
    label_mode: str,
) -> NotSure:
    """Returns when a model says "not sure", by its probabilities on the val split, [N, C]; nothing is measured yet."""
    columns = _by_column(probabilities, val.labels)
    found = [lowest_score(column[has], val.unit_of_tile[has], max_miss_rate) for column, has in columns]
    return _bounds(found, max_miss_rate, thresholds, label_mode)


def _bounds(
    found: Sequence[tuple[float, int]],
    max_miss_rate: float,
    thresholds: Sequence[float],
    label_mode: str,
) -> NotSure:
    low, num_fields = (tuple(of) for of in zip(*found, strict=True))
    if label_mode != SINGLE_LABEL:  # nothing above a threshold is a no
        low = tuple(min(bound, threshold) for bound, threshold in zip(low, thresholds, strict=True))
    return NotSure(max_miss_rate=max_miss_rate, low=low, num_val_fields=num_fields)


def _by_column(*arrays: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yields the columns of arrays on disk, class by class; none stays in memory longer than it is needed."""
    for c in range(arrays[0].shape[1]):
        yield tuple(array[:, c] for array in arrays)
        forget(*arrays)


def bounds_note(bounds: NotSure, classes: Sequence[str]) -> str:
    """Returns a line for the log about the classes that are never ruled out for want of fields; empty if none is."""
    rate = bounds.max_miss_rate
    if not rate:
        return 'evaluate_max_miss_rate is 0, so the model never says "no"'
    needed = math.ceil(round(1 / rate - 1, 9))
    few = {
        name: num_fields for name, num_fields in zip(classes, bounds.num_val_fields, strict=True) if num_fields < needed
    }
    if not few:
        return ""
    which = "any class" if len(few) == len(classes) else ", ".join(few)
    have = " to ".join(f"{num:,}" for num in sorted({min(few.values()), max(few.values())}))
    return (
        f'the model never says "no" to {which}, only "not sure": for evaluate_max_miss_rate={rate:g}, {needed:,} val '
        f"fields must have a class, and it has {have}"
    )


def measured(
    bounds: NotSure,
    classes: Sequence[str],
    test: SplitColumns,
    predicted: NDArray[np.bool_],
    probabilities: NDArray[np.float32],
) -> NotSure:
    """Returns `bounds` with what came of them on the test split; `predicted` and `probabilities` are [N, C]."""
    num_units = len(test.units)
    shares, of_tiles = np.zeros((num_units, len(classes))), np.zeros(len(classes))
    for c, (true, yes, column) in enumerate(_by_column(test.labels, predicted, probabilities)):
        unsure = not_sure(column, yes, bounds.low[c])
        shares[:, c] = miss_shares(yes | unsure, true, test.unit_of_tile, num_units)
        of_tiles[c] = unsure.mean()
    has = np.isfinite(shares)
    num_fields = has.sum(axis=0)
    rates = np.nan_to_num(shares).sum(axis=0) / np.maximum(num_fields, 1)
    resampled = _resampled_means(np.nan_to_num(shares), has)
    miss_intervals = each_interval(resampled, rates.tolist(), num_fields.tolist())
    per_class = {
        name: ClassNotSure(
            miss_rate=float(rates[c]),
            miss_interval=miss_intervals[c],
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
    """Returns how far probabilities can be taken at their word, without and with calibration.

    Args:
      labels, uncalibrated, probabilities: [N, C], perhaps on disk.
    """
    support = np.zeros(len(classes), np.int64)
    measures: dict[str, list[float]] = {"ece_before": [], "ece": [], "brier_before": [], "brier": []}
    for c, (has, before, after) in enumerate(_by_column(labels, uncalibrated, probabilities)):
        support[c] = np.count_nonzero(has)
        for ending, column in (("_before", before), ("", after)):
            measures[f"ece{ending}"].append(calibration_error(column, has))
            measures[f"brier{ending}"].append(brier_score(column, has))
    return Reliability(
        **{name: macro(np.array(values), support) for name, values in measures.items()},
        per_class={
            name: ClassReliability(**{measure: values[c] for measure, values in measures.items()})
            for c, name in enumerate(classes)
        },
    )
