"""What an evaluation fits on val and measures on test: calibration, and where a model is not sure."""

import re

import msgspec
import numpy as np
import pytest
from scored_fields import scored_fields

from components.contracts import Calibration, NotSure
from components.errors import SettingsError
from components.evaluate.calibrating import (
    apply_calibration,
    bounds_note,
    choose_bounds,
    fit_calibration,
    measured,
    no_bounds,
    no_calibration,
    reliability,
)
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.settings import EvaluateSettings

CLASSES = ("water", "weed")


def tiles_of(labels, unit_of_tile) -> SplitColumns:
    """The tiles of a split, in memory, without names."""
    units = tuple(f"field{number}" for number in range(max(unit_of_tile, default=-1) + 1))
    labels = np.array(labels, bool)
    nothing = np.zeros((len(labels), 0), np.float32)
    positions = np.arange(len(labels))
    return SplitColumns(None, None, labels, positions, units, np.array(unit_of_tile, np.int32), False, {}, nothing, {})


def simulated(num_fields, seed) -> tuple[SplitColumns, np.ndarray]:
    fields = scored_fields(np.array([0.5, 2.0]), np.array([-3.0, 1.5]), num_fields, 20, seed)
    return tiles_of(fields.labels, fields.unit_of_tile.tolist()), fields.logits


def test_what_val_promises_holds_on_test():
    (val, val_logits), (test, test_logits) = simulated(300, 1), simulated(300, 2)
    calibration = fit_calibration(val, val_logits, "multi_label")
    thresholds = (0.5, 0.5)
    probabilities = apply_calibration(val_logits, calibration, "multi_label")
    bounds = choose_bounds(val, probabilities, 0.1, thresholds, "multi_label")

    of_test = apply_calibration(test_logits, calibration, "multi_label")
    found = measured(bounds, CLASSES, test, of_test >= 0.5, of_test)
    before = apply_calibration(test_logits, no_calibration(2), "multi_label")
    report = reliability(CLASSES, test.labels, before, of_test)

    assert all(0 < low < 0.5 for low in bounds.low)
    assert found.max_miss_rate == 0.1
    for of_class in found.per_class.values():
        assert 0.04 < of_class.miss_rate < 0.16
        assert of_class.miss_interval[0] <= of_class.miss_rate <= of_class.miss_interval[1]
        assert 0 < of_class.share < 0.6
    assert report.ece < 0.02 < 0.1 < report.ece_before
    assert report.brier < report.brier_before
    assert report.ece == pytest.approx(np.mean([each.ece for each in report.per_class.values()]))


def test_misses_are_those_worked_by_hand():
    labels = [[1, 0], [1, 0], [1, 0], [0, 0]]
    probabilities = np.array([[0.9, 0.0], [0.1, 0.0], [0.3, 0.0], [0.3, 0.4]], np.float32)
    bounds = NotSure(max_miss_rate=0.1, low=(0.2, 0.2), num_val_fields=(9, 9))

    found = measured(bounds, CLASSES, tiles_of(labels, [0, 0, 1, 1]), probabilities >= 0.5, probabilities)

    water, weed = found.per_class["water"], found.per_class["weed"]
    assert (water.miss_rate, water.num_fields, water.share) == (0.25, 2, 0.5)  # half of one field, none of the other
    assert (weed.miss_rate, weed.num_fields, weed.share) == (0.0, 0, 0.25)
    assert weed.miss_interval == (0.0, 1.0)
    assert (found.miss_rate, found.share) == (0.25, 0.375)
    assert found.low == bounds.low


def test_a_class_without_test_tiles_is_left_out_of_the_totals():
    probabilities = np.array([[0.75, 0.9], [0.25, 0.9]], np.float32)

    found = reliability(CLASSES, np.array([[1, 0], [0, 0]], bool), probabilities * 0, probabilities)

    assert found.per_class["weed"].ece == pytest.approx(0.9)
    assert (found.ece, found.brier) == (pytest.approx(0.25), pytest.approx(0.0625))


@pytest.mark.parametrize("label_mode", ["multi_label", "single_label"])
def test_without_val_tiles_nothing_is_fitted_and_nothing_ruled_out(label_mode):
    nothing = tiles_of(np.zeros((0, 2)), [])
    logits = np.zeros((0, 2), np.float32)

    assert (
        fit_calibration(nothing, logits, label_mode)
        == no_calibration(2)
        == Calibration(slopes=(1.0,) * 2, offsets=(0.0,) * 2)
    )
    found = choose_bounds(nothing, logits, 0.1, (0.5, 0.5), label_mode)
    assert found == no_bounds(2, 0.1, (0.5, 0.5), label_mode)
    assert found.low == (0.0, 0.0)


@pytest.mark.parametrize(
    ("rate", "label_mode", "low"),
    [
        (0.1, "multi_label", (0.0, 0.0)),  # four fields are too few
        (0.2, "multi_label", (0.3, 0.4)),  # the second bound would be 0.6, and is its threshold
        (0.2, "single_label", (0.3, 0.6)),  # without thresholds
        (1.0, "multi_label", (0.5, 0.4)),
        (1.0, "single_label", (1.0, 1.0)),
        (0.0, "multi_label", (0.0, 0.0)),
    ],
)
def test_no_bound_lies_above_a_threshold(rate, label_mode, low):
    val = tiles_of(np.ones((4, 2)), [0, 1, 2, 3])
    probabilities = np.array([[0.3, 0.6], [0.5, 0.7], [0.6, 0.8], [0.7, 0.9]], np.float32)

    found = choose_bounds(val, probabilities, rate, (0.5, 0.4), label_mode)

    assert found.low == pytest.approx(low, abs=1e-5)
    assert found.num_val_fields == (4, 4)
    unsure = (probabilities < np.array([0.5, 0.4])) & (probabilities >= np.array(found.low, np.float32))
    assert rate < 1 or label_mode == "single_label" or not unsure.any()


@pytest.mark.parametrize(
    ("rate", "fields", "note"),
    [
        (0.1, (9, 12), ""),
        (0.1, (9, 8), 'never says "no" to weed, only .*=0.1, 9 val fields must have a class, and it has 8'),
        (0.05, (3, 8), 'never says "no" to any class, .*=0.05, 19 val fields must have a class, and it has 3 to 8'),
        (0.0, (50, 50), "evaluate_max_miss_rate is 0, so the model never says"),
        (1.0, (0, 0), ""),
    ],
)
def test_the_log_says_of_what_the_model_never_says_no(rate, fields, note):
    found = bounds_note(NotSure(max_miss_rate=rate, low=(0.0, 0.0), num_val_fields=fields), CLASSES)

    assert re.search(note, found) if note else found == ""


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.1", True])
def test_a_rate_out_of_range_is_refused(value):
    with pytest.raises(SettingsError, match="evaluate_max_miss_rate must be "):
        EvaluateSettings(max_miss_rate=value)


def test_the_numbers_survive_a_document():
    val, logits = simulated(30, 3)
    bounds = choose_bounds(
        val, apply_calibration(logits, no_calibration(2), "multi_label"), 0.1, (0.5, 0.5), "multi_label"
    )
    probabilities = apply_calibration(logits, no_calibration(2), "multi_label")
    found = measured(bounds, CLASSES, val, probabilities >= 0.5, probabilities)

    assert msgspec.json.decode(msgspec.json.encode(found), type=NotSure) == found
