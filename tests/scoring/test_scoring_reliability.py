"""How far probabilities can be taken at their word."""

import numpy as np
import pytest
from scored_fields import scored_fields
from sklearn.metrics import brier_score_loss

from components.scoring.reliability import NUM_BINS, brier_score, calibration_error, reliability_bins


def test_true_probabilities_have_hardly_an_error_and_doubled_ones_have_one() -> None:
    test = scored_fields(np.ones(3), np.zeros(3), 1_000, 40)
    true = test.probabilities.astype(np.float32)

    for c in range(3):
        has = test.labels[:, c]
        assert calibration_error(true[:, c], has) < 0.006
        assert calibration_error(true[:, c] / 2, has) == pytest.approx(has.mean() / 2, abs=0.006)


def test_the_brier_score_is_that_of_scikit_learn() -> None:
    test = scored_fields(np.ones(3), np.zeros(3), 50, 10)
    given = test.probabilities.astype(np.float32)

    for c in range(3):
        expected = brier_score_loss(test.labels[:, c], given[:, c].astype(float))
        assert brier_score(given[:, c], test.labels[:, c]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("probabilities", "labels", "error", "bins"),
    [
        ([], [], 0.0, 0),
        ([0.5], [True], 0.5, 1),
        ([0.5] * 4, [True, True, False, False], 0.0, 1),
        ([0.25] * 20 + [0.75] * 20, [False] * 20 + [True] * 20, 0.25, 2),
        ([0.0] * 40, [False] * 40, 0.0, 1),
    ],
)
def test_equal_probabilities_share_a_bin(probabilities, labels, error, bins) -> None:
    given, has = np.array(probabilities, np.float32), np.array(labels, bool)

    table = reliability_bins(given, has, np.zeros(len(given), np.int32), 1)

    assert len(table.counts) == bins
    assert table.error == pytest.approx(error)
    assert calibration_error(given, has) == pytest.approx(error)


def test_bins_hold_equally_many_tiles_and_add_up_to_the_error() -> None:
    test = scored_fields(np.ones(1), np.zeros(1), 300, 20)
    given = (test.probabilities[:, 0] * 0.8).astype(np.float32)

    table = reliability_bins(given, test.labels[:, 0], test.unit_of_tile, 300)

    assert len(table.counts) == NUM_BINS
    assert np.ptp(table.counts) <= 1
    assert table.error == pytest.approx(calibration_error(given, test.labels[:, 0]), abs=1e-12)


def test_the_interval_of_a_bin_holds_the_truth_as_often_as_it_says() -> None:
    held = []
    for seed in range(60):
        test = scored_fields(np.ones(1), np.full(1, 0.0), 80, 10, seed)
        true = test.probabilities[:, 0].astype(np.float32)
        table = reliability_bins(true, test.labels[:, 0], test.unit_of_tile, 80)
        held += ((table.low <= table.predicted) & (table.predicted <= table.high)).tolist()

    assert 0.92 <= np.mean(held) <= 0.995


def test_a_bin_of_one_field_says_nothing_of_others() -> None:
    table = reliability_bins(np.full(9, 0.5, np.float32), np.ones(9, bool), np.zeros(9, np.int32), 1)

    assert (table.low.tolist(), table.high.tolist()) == ([0.0], [1.0])
