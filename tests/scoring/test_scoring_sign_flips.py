"""The test by turning signs: exact for few effects, and for many as precise as the tail needs."""

import itertools
import time

import numpy as np
import pytest
from scipy import stats

from components.scoring.field_effects import Effects
from components.scoring.sign_flips import interval, p_better
from components.scoring.spending import TOTAL, alpha_of


def brute_force(effects):
    signs = np.array(list(itertools.product([-1, 1], repeat=len(effects))))
    return float((signs @ np.abs(effects) >= effects.sum() - 1e-12).mean())


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_few_effects_are_counted(size):
    effects = np.random.default_rng(size).normal(0.3, 1, size)
    assert p_better(effects) == pytest.approx(brute_force(effects), abs=1e-12)
    assert p_better(np.append(effects, [0.0, 0.0])) == p_better(effects)  # a field where both did the same says nothing


@pytest.mark.parametrize(
    ("effects", "expected"),
    [([], 1.0), ([0.0, 0.0], 1.0), ([0.1], 0.5), ([0.1] * 5, 2**-5), ([0.1] * 30, 2**-30), ([1.0, -1.0], 0.75)],
)
def test_the_p_values_that_can_be_worked_by_hand(effects, expected):
    assert p_better(np.array(effects)) == pytest.approx(expected)


@pytest.mark.parametrize("mean", [-0.5, 0.05, 0.3, 0.6, 1.0])
def test_beyond_the_counting_the_approximation_is_within_some_per_cent(mean):
    effects = np.random.default_rng(0).standard_t(4, 26) + mean  # with outliers
    # All 2^26 choices, by halves.
    sums = [
        np.array([signs @ np.abs(half) for signs in itertools.product([-1, 1], repeat=13)])
        for half in (effects[:13], effects[13:])
    ]
    ranked = np.sort(sums[1])
    exact = float((len(ranked) - np.searchsorted(ranked, effects.sum() - 1e-12 - sums[0])).sum() / 2**26)
    assert p_better(effects) == pytest.approx(exact, rel=0.05)


def test_far_out_in_the_tail_it_is_that_of_the_binomial():
    # 400 effects of one size: the number of positive signs is binomial. Jittered, as a sum of equals takes few values.
    rng = np.random.default_rng(1)
    signs = np.where(np.arange(400) < 262, 1, -1)
    effects = signs * (1 + 1e-3 * rng.random(400))
    at_least = stats.binom.sf(261, 400, 0.5)
    beyond = stats.binom.sf(262, 400, 0.5)
    assert beyond < p_better(effects) < at_least < 1e-9


def test_the_interval_is_what_the_test_does_not_reject():
    rng = np.random.default_rng(2)
    for size, alpha in itertools.product((6, 15, 60), (0.025, 1e-3)):
        by_field, weights = rng.normal(0.01, 0.02, size), rng.random(size)
        effects = Effects(by_field, weights / weights.sum())
        low, high = interval(effects, alpha)
        assert low <= effects.difference <= high
        assert (low > 0) == (p_better(by_field) <= alpha)
        if low > -1:
            assert p_better(by_field - (low - 1e-5) * effects.weights) <= alpha
            assert p_better(by_field - (low + 1e-5) * effects.weights) > alpha * 0.99


def test_too_few_fields_leave_everything_open():
    assert interval(Effects(np.full(4, 0.05), np.full(4, 0.25)), 0.025) == (-1, 1)


def test_an_interval_over_a_thousand_fields_takes_milliseconds():
    effects = Effects(np.random.default_rng(3).normal(0.001, 0.01, 3_432), np.full(3_432, 1 / 3_432))
    started = time.process_time()
    interval(effects, 1e-6)
    assert time.process_time() - started < 1


def test_all_questions_together_use_up_4_per_cent():
    alphas = [alpha_of(question) for question in range(1, 100_000)]
    assert alphas[0] == pytest.approx(0.02)
    assert sorted(alphas, reverse=True) == alphas
    assert TOTAL * 0.999 < sum(alphas) < TOTAL
    with pytest.raises(ValueError, match="numbered from 1, got 0"):
        alpha_of(0)
