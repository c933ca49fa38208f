"""Bounds below which a class is ruled out: what they promise of fields that nobody has seen."""

import numpy as np
import pytest

from components.scoring.risk_control import lowest_score, miss_shares, not_sure


def drawn_fields(rng: np.random.Generator, num_fields: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scores of tiles that have a class, [P], and their fields: large and small, easy and hard."""
    tiles = rng.integers(1, 12, num_fields)
    unit = np.repeat(np.arange(num_fields), tiles).astype(np.int32)
    logits = rng.normal(0, 1.5, num_fields)[unit] + rng.normal(0, 1, len(unit))
    return (1 / (1 + np.exp(-logits))).astype(np.float32), unit


@pytest.mark.parametrize(("num_fields", "rate"), [(9, 0.1), (20, 0.1), (20, 0.3), (60, 0.05), (200, 0.1)])
def test_fresh_fields_miss_no_more_than_was_chosen(num_fields: int, rate: float) -> None:
    rng = np.random.default_rng(num_fields)
    fresh, fresh_unit = drawn_fields(rng, 3_000)
    found = []
    for _ in range(1_000):
        scores, unit = drawn_fields(rng, num_fields)
        low, counted = lowest_score(scores, unit, rate)
        assert counted == num_fields
        found.append(np.bincount(fresh_unit, fresh < np.float32(low)) @ (1 / np.bincount(fresh_unit)) / 3_000)

    noise = 3 * np.std(found) / np.sqrt(len(found)) + 0.003  # of the splits, and of the fresh fields
    assert np.mean(found) <= rate + noise
    # The promise is kept without giving much away: by at most what one field of n + 1 may lose.
    assert np.mean(found) >= rate - 1 / (num_fields + 1) - noise


FOUR = np.array([0.2, 0.4, 0.6, 0.8], np.float32)  # one field each


@pytest.mark.parametrize(
    ("scores", "units", "rate", "low"),
    [
        (FOUR, [0, 1, 2, 3], 0.0, 0.0),  # nothing is ruled out
        (FOUR, [0, 1, 2, 3], 0.19, 0.0),  # 1 / (n + 1) is above the rate
        (FOUR, [0, 1, 2, 3], 0.2, 0.2),  # just enough: none of these may be missed
        (FOUR, [0, 1, 2, 3], 0.4, 0.4),  # one of four may
        (FOUR, [0, 1, 2, 3], 0.39, 0.2),
        (FOUR, [0, 1, 2, 3], 1.0, 1.0),  # everything may be missed
        (FOUR, [0, 0, 0, 1], 0.5, 0.4),  # by field: one of three tiles of one of two fields may
        (FOUR * 0 + np.float32(0.3), [0, 1, 2, 3], 0.6, 0.3),  # equal scores are missed together or not at all
        (np.float32([0.1234567]), [7], 0.5, 0.12345),  # rounded down
        (np.zeros(0, np.float32), [], 0.9, 0.0),  # no field has the class
        (np.zeros(0, np.float32), [], 1.0, 1.0),
    ],
)
def test_the_bound_is_the_highest_that_keeps_the_rate(scores, units, rate, low) -> None:
    bound, num_fields = lowest_score(scores, np.array(units, np.int32), rate)

    assert bound == pytest.approx(low)
    assert bound <= np.float32(low)
    assert num_fields == len(set(units))


def test_what_is_neither_predicted_nor_ruled_out_is_not_sure() -> None:
    probabilities = np.array([[0.1, 0.3, 0.5, 0.7]], np.float32).T
    predicted = probabilities >= np.float32(0.6)

    assert not_sure(probabilities, predicted, (0.3,))[:, 0].tolist() == [False, True, True, False]
    assert not_sure(probabilities, predicted, (0.0,))[:, 0].tolist() == [True, True, True, False]
    assert not not_sure(probabilities, predicted, (0.6,)).any()


def test_a_field_misses_a_share_of_its_own_tiles() -> None:
    labels = np.array([1, 1, 1, 1, 0], bool)
    kept = np.array([0, 1, 1, 1, 0], bool)

    shares = miss_shares(kept, labels, np.array([0, 0, 1, 1, 2], np.int32), 3)

    assert shares.tolist()[:2] == [0.5, 0.0]
    assert np.isnan(shares[2])
