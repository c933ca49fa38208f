"""Probabilities that can be taken at their word, for logits of any slope and offset."""

import time

import numpy as np
import pytest
from scored_fields import scored_fields

from components.scoring import temperature_fit
from components.scoring.calibration import Scaling, calibrated, fit_each, fit_together, identity
from components.scoring.logit_bins import effective_fields
from components.scoring.reliability import calibration_error

SLOPES = np.array([0.3, 0.6, 1.0, 1.5, 3.0, 0.5, 2.0, 1.0, 0.8])
OFFSETS = np.array([-4.0, -3.0, 0.0, 2.0, -2.5, -3.5, 1.0, 3.0, -1.0])


def fit(logits, labels, unit_of_tile, num_units) -> Scaling:
    columns = ((logits[:, c], labels[:, c]) for c in range(labels.shape[1]))
    return fit_each(columns, unit_of_tile, num_units)


def calibration_errors(probabilities, labels) -> np.ndarray:
    return np.array([calibration_error(probabilities[:, c], labels[:, c]) for c in range(labels.shape[1])])


def slopes_and_offsets(scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    return np.array(scaling.slopes), np.array(scaling.offsets)


def test_planted_slopes_and_offsets_are_found() -> None:
    val = scored_fields(SLOPES, OFFSETS, num_fields=700, num_tiles=60)

    slopes, offsets = slopes_and_offsets(fit(val.logits, val.labels, val.unit_of_tile, 700))

    assert np.abs(np.log(slopes / SLOPES)).max() < 0.06
    assert np.abs(offsets - OFFSETS).max() < 0.35


def test_errors_that_one_temperature_leaves_come_down_to_chance() -> None:
    val = scored_fields(SLOPES, OFFSETS, 685, 139)
    test = scored_fields(SLOPES, OFFSETS, 685, 139, seed=1)
    one, none = np.ones(9), np.zeros(9)

    def errors(scaling: Scaling) -> np.ndarray:
        return calibration_errors(calibrated(test.logits, scaling, False), test.labels)

    own = fit(val.logits, val.labels, val.unit_of_tile, 685)
    best_of_one = min(
        (errors(Scaling(tuple(one * slope), tuple(none))) for slope in np.geomspace(0.05, 20, 25)), key=np.mean
    )

    assert errors(identity(9)).max() > 0.28
    assert best_of_one.max() > 0.2
    assert errors(own).max() <= 0.006


def test_a_class_of_few_fields_is_drawn_to_what_the_others_share() -> None:
    many = scored_fields(np.full(6, 2.0), np.full(6, -1.5), 300, 20)
    few = many.labels.copy()
    few[:, 0] = False
    few[np.flatnonzero(many.labels[:, 0])[:2], 0] = True  # in one field or two

    slopes, offsets = slopes_and_offsets(fit(many.logits, few, many.unit_of_tile, 300))

    assert abs(np.log(slopes[0] / 2.0)) < 1.0
    assert np.abs(slopes[1:] - 2.0).max() < 0.3
    assert np.abs(offsets[1:] + 1.5).max() < 0.5


def test_a_class_without_positives_gets_the_common_slope_and_is_rare() -> None:
    val = scored_fields(np.full(5, 2.0), np.full(5, 1.0), 100, 20)
    labels = val.labels.copy()
    labels[:, 2] = False

    scaling = fit(val.logits, labels, val.unit_of_tile, 100)

    others = [slope for c, slope in enumerate(scaling.slopes) if c != 2]
    assert min(others) <= scaling.slopes[2] <= max(others)
    mean = calibrated(val.logits, scaling, False)[:, 2].mean()
    assert mean == pytest.approx(1 / 102, rel=0.01)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [((5.0,), (-5.0,)), ((-5.0,), (5.0,)), ((3.0, 3.0), (3.0, 3.0)), ((1e4,), (-1e4,)), ((80.0,), ()), ((), (2.0,))],
)
def test_no_scores_give_a_slope_that_is_not_positive_and_finite(positive, negative) -> None:
    logits = np.array([*positive, *negative] * 10, np.float32)[:, np.newaxis]
    labels = np.array(([True] * len(positive) + [False] * len(negative)) * 10)[:, np.newaxis]
    units = np.arange(len(logits), dtype=np.int32)

    scaling = fit(logits, labels, units, len(units))

    assert 0 < scaling.slopes[0] < 60
    assert np.isfinite(scaling.offsets[0])
    assert np.isfinite(calibrated(logits, scaling, False)).all()


def test_the_last_bits_of_the_logits_change_nothing() -> None:
    val = scored_fields(SLOPES, OFFSETS, 60, 10)
    moved = np.nextafter(val.logits, np.float32(np.inf))

    assert fit(val.logits, val.labels, val.unit_of_tile, 60) == fit(moved, val.labels, val.unit_of_tile, 60)


def test_the_order_of_the_tiles_of_a_class_stays() -> None:
    val = scored_fields(SLOPES, OFFSETS, 60, 10)
    scaling = fit(val.logits, val.labels, val.unit_of_tile, 60)

    probabilities = calibrated(val.logits, scaling, False)

    order = val.logits.argsort(axis=0)
    assert (np.diff(np.take_along_axis(probabilities, order, axis=0), axis=0) >= 0).all()


def test_a_temperature_is_found_and_leaves_the_most_probable_class() -> None:
    rng = np.random.default_rng(0)
    true = 2 * rng.standard_normal((20_000, 5))
    odds = np.exp(true)
    drawn = (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1) > rng.random((20_000, 1))
    labels = np.eye(5, dtype=bool)[drawn.argmax(axis=1)]
    logits = (true * 3.0).astype(np.float32)
    units = (np.arange(20_000) // 20).astype(np.int32)

    scaling = fit_together(logits, labels, units, 1000)

    assert set(scaling.offsets) == {0.0}
    assert len(set(scaling.slopes)) == 1
    assert scaling.slopes[0] == pytest.approx(1 / 3, rel=0.03)
    probabilities = calibrated(logits, scaling, True)
    assert (probabilities.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert calibration_errors(probabilities, labels).max() < 0.02
    assert calibration_errors(calibrated(logits, identity(5), True), labels).max() > 0.05


def test_a_temperature_of_millions_is_that_of_some(monkeypatch) -> None:
    rng = np.random.default_rng(1)
    logits = rng.standard_normal((30_000, 3)).astype(np.float32) * 4
    labels = np.eye(3, dtype=bool)[(logits + 2 * rng.gumbel(size=logits.shape)).argmax(axis=1)]
    units = (np.arange(30_000) // 10).astype(np.int32)
    of_all = fit_together(logits, labels, units, 3000).slopes[0]
    monkeypatch.setattr(temperature_fit, "MOST_TILES", 10_000)

    assert fit_together(logits, labels, units, 3000).slopes[0] == pytest.approx(of_all, rel=0.05)


@pytest.mark.parametrize("single_label", [False, True])
def test_any_logit_has_a_probability(single_label: bool) -> None:
    logits = np.array([[-1e30, 1e30], [0, 0], [-100, 100], [88.8, -88.8]], np.float32)

    probabilities = calibrated(logits, Scaling((0.0001, 2.0), (5.0, -5.0)), single_label)

    assert probabilities.dtype == np.float32
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@pytest.mark.parametrize(
    ("tiles", "fields"), [([5, 5, 5], 3.0), ([1, 0, 0], 1.0), ([100, 1, 1], 1.04), ([0, 0, 0], 0.0)]
)
def test_a_field_with_most_of_the_tiles_counts_as_hardly_more_than_one(tiles, fields) -> None:
    assert effective_fields(np.array([tiles]))[0] == pytest.approx(fields, abs=0.01)


def test_three_hundred_classes_take_seconds() -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((20_000, 300)).astype(np.float32) * 3 - 3
    labels = rng.random((20_000, 300)) < 1 / (1 + np.exp(-logits))
    started = time.process_time()

    fit(logits, labels, (np.arange(20_000) // 50).astype(np.int32), 400)

    assert time.process_time() - started < 15
