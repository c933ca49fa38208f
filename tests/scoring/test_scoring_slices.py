"""Which part of a test split is worse than the rest, and which only seems so."""

import numpy as np
import pytest

from bench.model_pairs import make_test_set
from components.f1_score import f1
from components.scoring.field_spread import furthest, spread_of
from components.scoring.field_sums import Counts, count
from components.scoring.slices import MIN_FIELDS, Dimension, judge_slices, most_evidently_worse
from components.scoring.value_groups import number_groups, quantile_groups


def tiles(seed, num_fields, missed_of_dark=0.0):
    """A test set divided five ways, by values that are partly the field's, and predictions; worse where it is dark."""
    generator = np.random.default_rng(seed)
    test_set = make_test_set(generator, num_fields)
    predicted = test_set.answers(generator) > 0
    of_tile = test_set.field_of_tile
    dimensions = []
    for share, name in ((0.3, "valid share"), (0.7, "brightness"), (1.1, "NDVI")):
        values = share * generator.normal(size=num_fields)[of_tile] + generator.normal(size=len(of_tile))
        dimensions.append(Dimension(name, *quantile_groups(values.astype(np.float32))))
    years = generator.integers(0, 3, num_fields)[of_tile]
    dimensions.append(Dimension("year", ("2017", "2018", "2019"), years.astype(np.int8)))
    dimensions.append(Dimension("labels", *number_groups(test_set.labels.sum(axis=1))))
    dark = dimensions[1].group_of_tile == 0
    predicted &= ~(dark[:, np.newaxis] & (generator.random(predicted.shape) < missed_of_dark))
    return test_set, predicted, dimensions


def judged(test_set, predicted, dimensions, num_resamples=500):
    units = test_set.field_of_tile.astype(np.int32)
    rows = lambda here: (test_set.labels[here], predicted[here])  # noqa: E731
    return judge_slices(dimensions, rows, units, test_set.num_fields, num_resamples)


@pytest.mark.parametrize(("num_fields", "num_sets"), [(20, 120), (60, 80)])
def test_where_nothing_differs_the_worst_slice_is_called_worse_in_at_most_5_percent(num_fields, num_sets):
    """Measured on 500 sets each: 2.2 % at 20 fields, 0.6 % at 60; on 200 sets, 1.0 % at 686."""
    num_worse = num_compared = 0
    for seed in range(num_sets):
        results = judged(*tiles(seed, num_fields))
        num_compared += sum(each.difference is not None for each in results)
        worst = most_evidently_worse(results)
        num_worse += worst is not None and results[worst].difference[2] < 0
    assert num_worse <= 0.05 * num_sets
    assert num_compared > 15 * num_sets  # so that not nothing was looked at


def test_a_slice_whose_macro_f1_is_a_fifth_lower_is_named_with_its_interval():
    named, differences = 0, []
    for seed in range(12):
        results = judged(*tiles(seed, 60, missed_of_dark=0.438))  # 0.200 on 4,000 fields
        worst = results[most_evidently_worse(results)]
        named += worst.dimension == "brightness" and worst.name.startswith("below") and worst.difference[2] < 0
        (dark,) = (each for each in results if each.dimension == "brightness" and each.name.startswith("below"))
        differences.append(dark.difference)
        low, high = dark.interval
        assert low <= dark.macro_f1 <= high
        assert dark.p_value < 0.2
    assert named >= 10  # measured on 400 sets with 2,000 resamples: 92 %
    assert np.mean(differences, axis=0)[0] == pytest.approx(-0.2, abs=0.04)


def test_a_slice_where_classes_are_rare_is_not_worse_for_that():
    """Tiles with one label have a lower F1 than those with three: the same false alarms, and fewer to find."""
    generator = np.random.default_rng(3)
    num_fields, num_tiles = 100, 20_000
    units = np.repeat(np.arange(num_fields, dtype=np.int32), num_tiles // num_fields)
    often = np.arange(num_tiles) % 2 == 0
    labels = generator.random((num_tiles, 4)) < np.where(often, 0.5, 0.05)[:, np.newaxis]
    predicted = np.where(labels, generator.random(labels.shape) < 0.8, generator.random(labels.shape) < 0.1)
    dimension = Dimension("classes", ("rare", "often"), often.astype(np.int8))
    rare, often_result = judge_slices([dimension], lambda here: (labels[here], predicted[here]), units, num_fields, 500)
    assert often_result.macro_f1 - rare.macro_f1 > 0.3
    for each in (rare, often_result):
        assert abs(each.difference[0]) < 0.02
        assert each.difference[1] < 0 < each.difference[2]
        assert each.p_value > 0.05


def test_the_score_of_a_slice_is_that_of_its_tiles_and_blocks_do_not_matter(monkeypatch):
    test_set, predicted, dimensions = tiles(1, 40)
    results = judged(test_set, predicted, dimensions, 50)
    for each in results:
        dimension = next(of for of in dimensions if of.name == each.dimension)
        here = dimension.group_of_tile == dimension.names.index(each.name)
        labels, guess = test_set.labels[here], predicted[here]
        of_class = f1((labels & guess).sum(axis=0), guess.sum(axis=0), labels.sum(axis=0))
        assert each.num_tiles == here.sum()
        assert each.num_fields == len(set(test_set.field_of_tile[here]))
        if labels.any():
            assert each.macro_f1 == pytest.approx(of_class[labels.any(axis=0)].mean())
        else:  # tiles without a label
            assert each.macro_f1 is each.interval is each.difference is None
    monkeypatch.setattr("components.scoring.slices._CELLS_AT_ONCE", 900)
    assert judged(test_set, predicted, dimensions, 50) == results


def test_a_slice_of_few_fields_has_a_score_and_is_not_compared():
    test_set, predicted, _ = tiles(1, 40)
    few = (test_set.field_of_tile >= MIN_FIELDS - 1).astype(np.int8)
    small, large = judged(test_set, predicted, [Dimension("place", ("here", "there"), few)], 50)
    assert small.macro_f1 is not None
    assert small.difference is small.p_value is None
    assert large.difference is None  # the rest of it are the same few
    assert most_evidently_worse([small, large]) is None


def test_a_model_without_errors_has_no_worst_slice():
    test_set, _, dimensions = tiles(1, 40)
    results = judged(test_set, test_set.labels, dimensions, 50)
    assert most_evidently_worse(results) is None
    assert {each.macro_f1 for each in results if each.macro_f1 is not None} == {1.0}


def test_no_tiles_have_no_slices():
    empty = np.zeros((0, 3), bool)
    nothing = Dimension("NDVI", (), np.zeros(0, np.int8))
    assert judge_slices([nothing], lambda here: (empty, empty), np.zeros(0, np.int32), 0) == []


def test_fields_beyond_what_memory_allows_are_put_together(monkeypatch):
    test_set, predicted, dimensions = tiles(1, 60)
    monkeypatch.setattr("components.scoring.slices._MOST_CELLS", 30 * 9)
    together = judged(test_set, predicted, dimensions, 50)
    assert max(each.num_fields for each in together) == 30
    assert sum(each.num_tiles for each in together if each.dimension == "NDVI") == len(predicted)


def fields(spread, num_fields=400, tiles_per_field=20, seed=0):
    """Fields whose shares of errors differ by a standard deviation of `spread`, in errors a tile of four classes."""
    generator = np.random.default_rng(seed)
    units = np.repeat(np.arange(num_fields), tiles_per_field)
    labels = generator.random((len(units), 4)) < 0.2
    rate = np.clip(0.1 + spread / 4 * generator.normal(size=num_fields), 0, 1)
    wrong = generator.random(labels.shape) < rate[units][:, np.newaxis]
    return count(labels, labels ^ wrong, units, num_fields), np.full(num_fields, tiles_per_field), rate


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.2])
def test_the_spread_between_fields_is_told_from_chance(spread):
    counts, num_tiles, _ = fields(spread)
    found = spread_of(counts, num_tiles)
    assert found.errors_per_tile == pytest.approx(0.4, abs=0.03)
    assert found.spread == pytest.approx(spread, abs=0.04 if spread else 0.06)
    assert found.times_chance == pytest.approx(1 + 20 * spread**2 / 0.36, rel=0.25)


def test_the_worst_field_is_one_with_many_errors_and_not_the_smallest():
    counts, num_tiles, rate = fields(0.2)
    # One more field, of a single tile with a single error: as many errors a tile as the worst, by chance.
    grown = Counts(*(np.concatenate([of, [[0, 0, 0, 0]]]) for of in (counts.hits, counts.predicted, counts.true)))
    grown.true[-1, 0] = 1
    found = spread_of(grown, np.append(num_tiles, 1))
    best, worst = furthest(found, 5)
    assert len(grown.true) - 1 not in worst
    assert rate[worst].min() > np.quantile(rate, 0.9)
    assert rate[best].max() < np.quantile(rate, 0.1)
    assert (np.diff(found.excess[worst]) <= 0).all()
    assert found.errors[worst[0]] > found.expected[worst[0]]


@pytest.mark.parametrize("num_fields", [1, 2])
def test_without_errors_or_other_fields_there_is_no_spread(num_fields):
    labels = np.ones((num_fields, 4), bool)
    counts = count(labels, labels, np.arange(num_fields), num_fields)
    assert spread_of(counts, np.ones(num_fields, np.int64)) is None
