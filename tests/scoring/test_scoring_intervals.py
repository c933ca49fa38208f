"""The intervals of what is shown of a model."""

import time

import numpy as np
import pytest
from field_counts import class_names, sums_of
from scipy import stats

from components.f1_score import f1
from components.scoring.intervals import BY_COUNTS, METRICS, intervals, resample
from components.scoring.ranking import average_precision, roc_auc
from components.scoring.resamples import each_interval, interval_of, t_quantile


def tiles(num_fields, rates, seed=0, tiles_per_field=10):
    """Tiles of fields whose tiles err together, as unit ids, labels, predicted and scores."""
    rng = np.random.default_rng(seed)
    field = np.repeat(np.arange(num_fields), tiles_per_field)
    labels = rng.random((len(field), len(rates))) < rates
    of_field = rng.normal(size=(num_fields, len(rates)))[field]
    scores = (np.where(labels, 1.0, -1.5) + of_field + rng.normal(size=labels.shape)).astype(np.float32)
    return np.array([f"f{number:05}" for number in field]), labels, scores > 0, scores


def estimates_of(sums, labels, scores):
    totals = sums.counts("candidate").totals()
    return {
        "f1": f1(totals.hits, totals.predicted, totals.true),
        "precision": totals.hits / np.maximum(totals.predicted, 1),
        "recall": totals.hits / np.maximum(totals.true, 1),
        "average_precision": average_precision(labels, scores),
        "roc_auc": roc_auc(labels, scores),
    }


def intervals_of(units, labels, predicted, scores):
    sums = sums_of(units, labels, (predicted, scores))
    estimates = estimates_of(sums, labels, scores)
    return estimates, intervals(sums, {"candidate": estimates})["candidate"]


def test_every_class_and_every_total_has_an_interval_around_its_score():
    estimates, found = intervals_of(*tiles(80, (0.3, 0.1, 0.02)))
    for metric in METRICS:
        assert len(found.per_class[metric]) == 3
        for (low, high), score in zip(found.per_class[metric], estimates[metric], strict=True):
            assert 0 <= low < score < high <= 1
        low, high = found.macro[metric]
        assert low < estimates[metric].mean() < high
    widths = [high - low for low, high in found.per_class["f1"]]
    assert widths == sorted(widths)  # the rarer the class, the wider


def test_the_tiles_of_a_field_are_one_witness():
    units, labels, predicted, scores = tiles(60, (0.5,))
    _, by_field = intervals_of(units, labels, predicted, scores)
    _, by_tile = intervals_of(np.arange(len(units)).astype(str), labels, predicted, scores)
    wide, narrow = (found.per_class["recall"][0] for found in (by_field, by_tile))
    assert (wide[1] - wide[0]) / (narrow[1] - narrow[0]) > 1.5


def test_two_models_get_the_same_resamples():
    units, labels, predicted, scores = tiles(50, (0.3, 0.1))
    sums = sums_of(units, labels, (predicted, scores), (predicted, scores))
    found = resample(sums, ("candidate", "production"))
    for metric in METRICS:
        np.testing.assert_array_equal(found["candidate"][metric], found["production"][metric])


def test_a_resample_is_the_score_of_its_tiles():
    units, labels, predicted, scores = tiles(30, (0.3, 0.1))
    sums = sums_of(units, labels, (predicted, scores))
    found = resample(sums, ("candidate",), BY_COUNTS, 5)["candidate"]
    # The draws are seeded: draw the same.
    from components.scoring.resamples import field_weights

    (weights,) = field_weights(30, 5)
    for row, weight in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(len(units)), weight[np.searchsorted(sums.fields, units)])
        again = sums_of(units[drawn], labels[drawn], (predicted[drawn], scores[drawn]))
        expected = estimates_of(again, labels[drawn], scores[drawn])
        for metric in BY_COUNTS:
            np.testing.assert_allclose(found[metric][row], expected[metric])


@pytest.mark.parametrize(
    ("values", "estimate", "num_fields", "expected"),
    [
        (np.full(100, 0.4), 0.4, 1, (0, 1)),  # one field says nothing about others
        (np.full(100, np.nan), 0.0, 5, (0, 1)),
        (np.zeros(100), 0.0, 5, (0, 1 - 0.025**0.2)),  # found in none of five fields
        (np.ones(100), 1.0, 50, (0.025**0.02, 1)),
        (np.full(100, 0.4), 0.4, 5, (0.4, 0.4)),
    ],
)
def test_the_interval_of_what_resamples_cannot_tell(values, estimate, num_fields, expected):
    assert interval_of(values, estimate, num_fields) == pytest.approx(expected)


@pytest.mark.parametrize(("degrees", "rel"), [(1, 1e-9), (2, 1e-9), (3, 5e-3), (5, 1e-3), (19, 1e-5), (685, 1e-9)])
def test_the_quantile_is_that_of_scipy(degrees, rel):
    assert t_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=rel)


@pytest.mark.parametrize(("num_fields", "at_least"), [(10, 0.90), (20, 0.92), (60, 0.93)])
def test_an_interval_holds_the_true_score_nearly_as_often_as_it_says(num_fields, at_least):
    units, labels, predicted, _ = tiles(20_000, (0.5,), seed=9)
    truth = (labels & predicted).sum() / labels.sum()
    held = []
    for seed in range(300):
        units, labels, predicted, _ = tiles(num_fields, (0.5,), seed)
        sums = sums_of(units, labels, predicted)
        recall = (labels & predicted).sum() / labels.sum()
        values = resample(sums, ("candidate",), ("recall",), 400)["candidate"]["recall"][:, 0]
        low, high = interval_of(values, recall, num_fields)
        held.append(low <= truth <= high)
    assert np.mean(held) >= at_least


def test_three_hundred_classes_take_seconds():
    units, labels, predicted, scores = tiles(20, (0.02,) * 300)
    started = time.process_time()
    _, found = intervals_of(units, labels, predicted, scores)
    assert time.process_time() - started < 15
    assert len(found.per_class["f1"]) == len(class_names(300))


@pytest.mark.slow
def test_the_whole_dataset_takes_seconds():
    units, labels, predicted, scores = tiles(3_432, (0.3, 0.2, 0.15, 0.1, 0.05, 0.05, 0.05, 0.04, 0.006), 0, 28)
    sums = sums_of(units, labels, (predicted, scores), (predicted, scores))
    started = time.process_time()
    resample(sums, ("candidate", "production"), BY_COUNTS)
    assert time.process_time() - started < 4  # 0.3 s where nothing else runs
    resample(sums, ("candidate", "production"))
    assert time.process_time() - started < 20


def test_the_intervals_of_many_scores_are_those_of_each():
    rng = np.random.default_rng(1)
    values = rng.random((501, 6))
    values[rng.random(values.shape) < 0.3] = np.nan  # a class that a resample has no tile of
    values[:, 3], values[1:, 4] = np.nan, np.nan
    estimates, num_fields = [0.5, 0.4, 0.6, 0.0, 0.3, 0.5], [3, 40, 2, 5, 9, 1]
    together = each_interval(values, estimates, num_fields)
    for number, (estimate, num) in enumerate(zip(estimates, num_fields, strict=True)):
        assert interval_of(values[:, number], estimate, num) == together[number]
    spread = np.sqrt(40 / 39) * stats.t(39).ppf(0.975)  # of the second, by NumPy
    low, high = np.nanquantile(values[:, 1], [stats.norm.cdf(-spread), stats.norm.cdf(spread)])
    assert together[1] == pytest.approx((low, high), abs=1e-3)
    assert together[3] == together[5] == (0.0, 1.0)
