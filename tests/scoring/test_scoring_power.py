"""What a test set could find: measured of two models, and an upper bound where there is one only."""

import numpy as np
import pytest

from components.scoring.field_effects import macro_effects
from components.scoring.field_sums import Counts
from components.scoring.power import can_decide, smallest_gain, smallest_gain_over_alike
from components.scoring.sign_flips import p_better


def counts_of(rng, true, skill):
    """Counts of a model that finds a share of the tiles which varies from field to field around `skill`."""
    of_field = np.clip(skill + 0.2 * rng.standard_normal((len(true), 1)), 0, 1)
    hits = rng.binomial(true, of_field)
    return Counts(hits, hits + rng.binomial(3, 0.3, true.shape), true)


@pytest.mark.parametrize("num_fields", [60, 300])
def test_of_one_model_it_is_what_two_that_err_independently_would_show(num_fields):
    rng = np.random.default_rng(1)
    true = rng.integers(0, 12, (num_fields, 4))
    assumed = smallest_gain_over_alike(counts_of(rng, true, 0.7), 0.02)
    of_pairs = [
        smallest_gain(macro_effects(counts_of(rng, true, 0.7), counts_of(rng, true, 0.7)), 0.02) for _ in range(40)
    ]
    assert assumed == pytest.approx(np.mean(of_pairs), rel=0.15)


def test_a_gain_of_this_size_is_found_in_four_of_five_cases():
    rng = np.random.default_rng(2)
    true = rng.integers(2, 12, (150, 3))
    noise = np.array([smallest_gain_over_alike(counts_of(rng, true, 0.6), 0.025) for _ in range(20)]).mean()
    assert 0.03 < noise < 0.2
    gains = {}  # of models that are better by more and more
    for better in (0.0, 0.03, 0.06, 0.09, 0.12, 0.15):
        pairs = [macro_effects(counts_of(rng, true, 0.6 + better), counts_of(rng, true, 0.6)) for _ in range(150)]
        found = np.mean([p_better(pair.by_field) <= 0.025 for pair in pairs])
        gains[float(np.mean([pair.difference for pair in pairs]))] = found
    at = np.interp(noise, list(gains), list(gains.values()))
    assert 0.72 < at < 0.88


@pytest.mark.parametrize(("num_fields", "alpha", "can"), [(5, 0.02, False), (6, 0.02, True), (1, 0.5, True)])
def test_a_few_fields_decide_nothing(num_fields, alpha, can):
    assert can_decide(num_fields, alpha) == can


def test_where_no_class_occurs_nothing_is_found():
    none = np.zeros((3, 2), np.int64)
    assert smallest_gain_over_alike(Counts(none, none, none), 0.02) == 0.0
