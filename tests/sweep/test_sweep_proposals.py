"""The values of the trials follow from space and seed alone, are all different, and cover the space."""

import collections
import itertools

import pytest
from scipy.stats import qmc

from components.sweep.proposals import proposed_values
from components.sweep.sobol import MOST_DIMENSIONS, raw_sobol, sobol_point
from components.sweep.space import read_space

RATE = {"low": 1e-4, "high": 1e-2, "log": True}
WIDE = {"learning_rate": RATE, "backbone": ["small", "mobilenet_v2"], "zoom_range": {"low": 0, "high": 0.3}}


def test_the_sequence_is_that_of_joe_and_kuo():
    expected = qmc.Sobol(MOST_DIMENSIONS, scramble=False, bits=30).random_base2(8)

    for index, dimension in itertools.product(range(256), range(MOST_DIMENSIONS)):
        assert raw_sobol(index, dimension) / 2**30 == expected[index, dimension]


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_each_quarter_of_each_axis_has_a_quarter_of_the_points_whatever_the_seed(seed):
    axes = tuple(f"key_{number}" for number in range(MOST_DIMENSIONS))
    points = [sobol_point(index, axes, seed) for index in range(16)]

    assert all(0 <= number < 1 for point in points for number in point)
    for axis in zip(*points, strict=True):
        assert collections.Counter(int(4 * number) for number in axis) == dict.fromkeys(range(4), 4)


def test_the_trials_are_these_on_every_machine():
    assert proposed_values(read_space(WIDE), 4, seed=0) == [
        {"backbone": "mobilenet_v2", "learning_rate": 0.0005123, "zoom_range": 0.104},
        {"backbone": "small", "learning_rate": 0.005123, "zoom_range": 0.254},
        {"backbone": "small", "learning_rate": 0.000162, "zoom_range": 0.02897},
        {"backbone": "mobilenet_v2", "learning_rate": 0.00162, "zoom_range": 0.179},
    ]


def test_an_object_that_has_lost_its_order_makes_the_same_trials():
    """As one that has been through Kubeflow."""
    for keys in itertools.permutations(WIDE):
        space = read_space({key: WIDE[key] for key in keys})
        assert proposed_values(space, 8, seed=3) == proposed_values(read_space(WIDE), 8, seed=3)


def test_more_trials_begin_with_those_of_fewer():
    space = read_space(WIDE)

    assert proposed_values(space, 20, seed=0)[:7] == proposed_values(space, 7, seed=0)


def test_another_seed_makes_other_trials():
    space = read_space(WIDE)

    assert proposed_values(space, 8, seed=0) != proposed_values(space, 8, seed=1)


@pytest.mark.parametrize("num_trials", [6, 7, 64])
def test_a_small_space_is_tried_as_a_whole_in_order(num_trials):
    space = read_space({"steps_per_call": {"low": 1, "high": 3}, "loss": ["focal", "cross_entropy"]})

    assert proposed_values(space, num_trials, seed=5) == [
        {"loss": loss, "steps_per_call": steps} for loss in ("focal", "cross_entropy") for steps in (1, 2, 3)
    ]


@pytest.mark.parametrize("num_trials", [5, 8, 23, 24, 63])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_two_trials_are_equal_and_none_is_missing(num_trials, seed):
    space = read_space({"steps_per_call": {"low": 1, "high": 32}, "nesterov": [True, False]})
    found = proposed_values(space, num_trials, seed)

    assert len(found) == num_trials
    assert len({tuple(each.items()) for each in found}) == num_trials


def test_a_range_narrower_than_its_digits_has_as_many_trials_as_numbers():
    space = read_space({"zoom_range": {"low": 0.1, "high": 0.10003}})

    assert [each["zoom_range"] for each in proposed_values(space, 64, seed=0)] == [0.1]


@pytest.mark.parametrize(
    ("given", "position", "value"),
    [
        ({"learning_rate": RATE}, 0.0, 1e-4),
        ({"learning_rate": RATE}, 0.5, 1e-3),
        ({"learning_rate": RATE}, 1 - 2**-30, 1e-2),
        ({"zoom_range": {"low": 0, "high": 0.3}}, 0.5, 0.15),
        ({"zoom_range": {"low": 0.12344, "high": 0.3}}, 0.0, 0.12344),  # never below the range
        ({"steps_per_call": {"low": 1, "high": 4}}, 0.0, 1),
        ({"steps_per_call": {"low": 1, "high": 4}}, 0.2499, 1),
        ({"steps_per_call": {"low": 1, "high": 4}}, 0.25, 2),
        ({"steps_per_call": {"low": 1, "high": 4}}, 1 - 2**-30, 4),
        ({"global_batch_size": {"low": 8, "high": 127, "log": True}}, 0.25, 16),  # 8 to 128, four doublings
        ({"global_batch_size": {"low": 8, "high": 127, "log": True}}, 1 - 2**-30, 127),
        ({"loss": ["focal", "cross_entropy"]}, 0.4999, "focal"),
        ({"loss": ["focal", "cross_entropy"]}, 0.5, "cross_entropy"),
    ],
)
def test_a_position_is_this_value(given, position, value):
    (key,) = read_space(given).values()

    assert key.at(position) == value
    assert type(key.at(position)) is type(value)
