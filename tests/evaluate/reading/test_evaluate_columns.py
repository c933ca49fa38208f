"""Columns, names and units of a split, on disk."""

import resource

import numpy as np
import pytest

from components.evaluate.reading.columns import ColumnWriter, derive, forget
from components.evaluate.reading.tile_names import NameWriter
from components.evaluate.reading.units import MOST_UNITS, UnitNumbers, group_names, group_of, sorted_units
from components.scoring.field_sums import Answers, class_edges, sum_units
from components.scoring.intervals import resample

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (4_096, 2), (10_000, 3), (5, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.bool_, np.int64])
def test_rows_that_come_in_batches_are_read_as_columns_and_by_anybody(tmp_path, shape, dtype):
    expected = RNG.integers(2, size=shape).astype(dtype)
    with ColumnWriter(tmp_path / "a.npy", *shape, dtype) as writer:
        for start in range(0, shape[0], 1_700):
            writer.add(expected[start : start + 1_700])
        found = writer.finish()
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)
    assert found.dtype == dtype
    assert all(found[:, column].flags.c_contiguous for column in range(shape[1]))
    with pytest.raises(ValueError, match="read-only"):
        found[...] = 0


def test_rows_too_many_or_too_few_are_refused(tmp_path):
    with ColumnWriter(tmp_path / "a.npy", 3, 2, np.float32) as writer:
        with pytest.raises(ValueError, match=r"0 rows and .4, 2. more do not fit into .3, 2."):
            writer.add(np.zeros((4, 2), np.float32))
        with pytest.raises(ValueError, match="0 rows of 3 were added"):
            writer.finish()


def test_what_was_touched_of_a_column_is_given_back_and_read_again(tmp_path):
    with ColumnWriter(tmp_path / "a.npy", 2_000_000, 2, np.float32) as writer:
        writer.add(np.ones((2_000_000, 2), np.float32))
        columns = writer.finish()
    forget(columns)
    before = resident_kb()
    assert columns.sum() == 4_000_000
    assert resident_kb() > before + 10_000
    forget(columns[:, 0])
    assert resident_kb() < before + 2_000
    assert columns.sum() == 4_000_000
    forget(np.zeros(3))  # no map: nothing to give back


def resident_kb():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("RssFile")).split()[1])


def test_what_is_derived_of_rows_is_a_column_again(tmp_path):
    values = RNG.random((40_000, 3)).astype(np.float32)
    found = derive(tmp_path / "b.npy", lambda rows: rows > 0.5, values, np.bool_)
    np.testing.assert_array_equal(found, values > 0.5)


def test_names_are_read_by_row(tmp_path):
    names = ["a", "", "Feld süd", "x" * 300, "日本"] * 100
    with NameWriter(tmp_path / "names", len(names)) as writer:
        for start in range(0, len(names), 7):
            writer.add(names[start : start + 7])
        found = writer.finish()
    assert [found[row] for row in range(len(names))] == names
    assert found.some(3, 11) == names[3:11]
    assert found.some(0, 10_000) == names
    assert found.some(500, 510) == []
    assert (len(found), found.longest) == (500, 300)


def test_no_memory_grows_with_the_names(tmp_path):
    num_names = 200_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with NameWriter(tmp_path / "names", num_names) as writer:
        for start in range(0, num_names, 1_000):
            writer.add([f"{number:0200}" for number in range(start, start + 1_000)])
        found = writer.finish()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 20_000  # they have 40 MB
    assert found[num_names - 1] == f"{num_names - 1:0200}"


def numbered(units, most):
    numbers = UnitNumbers(most)
    of_tile = np.concatenate([numbers.of(units[start : start + 3]) for start in range(0, len(units), 3)])
    names = group_names(most) if numbers.too_many else numbers.names()
    return *sorted_units(names, of_tile[:, int(numbers.too_many)]), numbers.too_many


def test_few_units_are_themselves_in_order_and_many_are_grouped_by_name():
    units = ["c", "a", "b", "a", "c"]
    found, of_tile, grouped = numbered(units, 3)
    assert (found, grouped) == (("a", "b", "c"), False)
    assert [found[number] for number in of_tile] == units
    found, of_tile, grouped = numbered(units, 2)
    assert grouped
    assert [found[number] for number in of_tile] == [group_of(unit, 2) for unit in units]
    assert list(found) == sorted({group_of(unit, 2) for unit in units})


def test_a_group_is_dealt_about_as_many_units_as_another():
    groups = [group_of(f"field{number}") for number in range(20 * MOST_UNITS)]
    counts = np.unique(groups, return_counts=True)[1]
    assert len(counts) == MOST_UNITS
    assert counts.std() == pytest.approx(np.sqrt(20), rel=0.05)  # as a fair dealer would


def test_groups_of_fields_keep_the_deviation_of_what_they_are_made_of():
    # Fields with effects of their own, of 1 to 20 tiles, with groups of ten fields on average, dealt twenty times.
    num_fields, most = 2_000, 200
    field_of_tile = np.repeat(np.arange(num_fields), RNG.integers(1, 21, size=num_fields))
    rate = np.where(RNG.random(num_fields) < 0.3, 0.7, 0.1)[field_of_tile, np.newaxis]
    labels = RNG.random(rate.shape) < rate
    of_field = 1 + RNG.normal(size=num_fields)[field_of_tile, np.newaxis]
    scores = (2 * labels * of_field + RNG.normal(size=labels.shape)).astype(np.float32)
    answers = {"model": Answers(scores > 1, scores, class_edges(labels, scores))}

    def deviations(unit_of_tile, units):
        sums = sum_units(("a",), units, unit_of_tile, labels, answers)
        resampled = resample(sums, ("model",), num_resamples=1_000)["model"]
        return np.array([resampled[metric].std() for metric in ("f1", "average_precision", "roc_auc")])

    names = tuple(f"{number:04}" for number in range(num_fields))
    exact = deviations(field_of_tile, names)
    by_tile = deviations(np.arange(len(labels)), tuple(f"{number:06}" for number in range(len(labels))))
    dealt = []
    for deal in range(20):
        groups = [group_of(f"{deal}/{name}", most) for name in names]
        units, of_field_number = sorted_units(groups, np.arange(num_fields))
        dealt.append(deviations(of_field_number[field_of_tile], units))
    np.testing.assert_allclose(np.mean(dealt, axis=0), exact, rtol=0.03)
    assert (np.abs(np.array(dealt) / exact - 1) < 0.2).all()
    assert (by_tile < 0.7 * exact).all(), "or the test would not tell fields from tiles"
