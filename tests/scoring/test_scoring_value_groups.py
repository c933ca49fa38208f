"""Groups of tiles by a value."""

import numpy as np
import pytest

from components.scoring.value_groups import UNKNOWN, number_groups, quantile_groups, year_groups

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (np.linspace(0, 1, 1001), ("below 0.2", "0.2 to 0.4", "0.4 to 0.6", "0.6 to 0.8", "0.8 and above")),
        (np.linspace(0.37, 0.42, 1001), ("below 0.38", "0.38 to 0.39", "0.39 to 0.4", "0.4 to 0.41", "0.41 and above")),
        (RNG.normal(0.02, 0.3, 9_999), None),  # on both sides of 0
        # Most tiles are whole: they stay together.
        (np.concatenate([np.linspace(0.5, 0.99, 300), np.ones(700)]), ("below 0.8", "0.8 to 1", "1")),
        (np.concatenate([np.ones(990), np.zeros(10)]), ("all",)),  # ten tiles are no group of their own
        (np.full(50, 0.3), ("all",)),
        (np.array([0.1, 0.9]), None),
        (np.zeros(0), ()),
    ],
)
def test_groups_are_about_equal_and_their_edges_short(values, names):
    values = values.astype(np.float32)
    found, groups = quantile_groups(values)
    if names is not None:
        assert found == names
    assert not any("-0 " in f"{name} " for name in found)
    assert max(map(len, found), default=0) <= len("-0.255 to -0.105")
    sizes = np.bincount(groups, minlength=len(found))
    assert sizes.sum() == len(values)
    assert (sizes >= 0.05 * len(values)).all()
    # A higher value is never in a lower group.
    assert (np.diff(groups[np.argsort(values)].astype(int)) >= 0).all()


def test_what_has_no_value_is_in_no_group():
    values = np.linspace(0, 1, 100, dtype=np.float32)
    values[7] = np.nan
    _, groups = quantile_groups(values)
    assert np.flatnonzero(groups == UNKNOWN).tolist() == [7]
    assert quantile_groups(np.full(3, np.nan, np.float32))[1].tolist() == [UNKNOWN] * 3


@pytest.mark.parametrize(
    ("numbers", "names", "groups"),
    [
        ([1, 1, 2], ("1", "2"), [0, 0, 1]),
        ([0, 7, 2, 4], ("0", "1", "2", "3", "4 and more"), [0, 4, 2, 4]),
        ([3, 3], ("3",), [0, 0]),
        ([], (), []),
    ],
)
def test_numbers_have_a_group_each_up_to_the_last(numbers, names, groups):
    found, of_tiles = number_groups(np.array(numbers, np.int64))
    assert (found, of_tiles.tolist()) == (names, groups)


@pytest.mark.parametrize(
    ("years", "names", "groups"),
    [
        ([2019, np.nan, 2017], ("2017", "2019"), [1, -1, 0]),
        ([2015, 2016, 2018, 2019], ("before 2018", "2018", "2019"), [0, 0, 1, 2]),
        ([np.nan], (), [-1]),
    ],
)
def test_years_have_a_group_each_and_the_earliest_share_one(years, names, groups):
    found, of_tiles = year_groups(np.array(years, np.float32), 3)
    assert (found, of_tiles.tolist()) == (names, groups)
