"""The interval of a median is the one of the tables, and covers the true median as often as it says."""

import math
import random

import pytest

from components.measuring.median_interval import fewest_values, median_interval, median_of_ratios


@pytest.mark.parametrize(
    ("alpha", "count"),
    [
        (0.5, 2),
        (0.1, 5),
        (0.05, 6),  # 2 / 2^6 = 3.1 %, and 2 / 2^5 = 6.3 %
        (0.03125, 6),  # met exactly
        (0.031, 7),
        (0.05 / 20, 10),
    ],
)
def test_the_fewest_values_are_those_whose_extremes_are_wide_enough(alpha, count):
    assert fewest_values(alpha) == count
    assert median_interval(range(count), alpha) == (0, count - 1)
    assert median_interval(range(count - 1), alpha) is None


# Ranks from 1 of the lower end for 95 %, as the published tables of the sign test have them.
@pytest.mark.parametrize(
    ("count", "rank"), [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8), (30, 10), (50, 18)]
)
def test_the_ends_are_the_ranks_of_the_published_tables(count, rank):
    values = random.Random(count).sample(range(1, count + 1), count)  # each value is its rank

    assert median_interval(values, 0.05) == (rank, count + 1 - rank)


@pytest.mark.parametrize(("count", "alpha"), [(7, 0.05), (15, 0.05), (31, 0.0025), (1_200, 0.05)])
def test_what_lies_outside_is_as_unlikely_as_promised_and_no_narrower_interval_is(count, alpha):
    low, high = median_interval(range(count), alpha)

    def missed(below):  # the probability that fewer than `below` + 1 of the values lie below the median, twice
        return 2 * sum(math.comb(count, number) for number in range(below + 1)) / 2**count

    assert low + high == count - 1
    assert missed(low) <= alpha < missed(low + 1)


def test_skewed_noise_is_covered_as_well():
    generator = random.Random(5)
    missed = 0
    for _ in range(2_000):
        low, high = median_interval([generator.expovariate(math.log(2)) for _ in range(15)], 0.05)  # its median is 1
        missed += not low <= 1 <= high

    assert missed <= 0.05 * 2_000


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_value_without_a_place_among_the_others_is_refused(odd):
    with pytest.raises(ValueError, match=f"values must be finite, got {odd}"):
        median_interval([1.0] * 9 + [odd], 0.05)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_a_probability_that_is_none_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be between 0 and 1"):
        fewest_values(alpha)


def test_the_median_is_that_of_the_ratios_and_not_of_the_sides():
    assert median_of_ratios([(10.0, 10.0), (50.0, 100.0), (90.0, 30.0)]) == 1.0
