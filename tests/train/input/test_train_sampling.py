import numpy as np
import pytest

from components.train.input.order import train_plan
from components.train.input.sampling import balanced_order, effective_number, sampling_weights

# 60 tiles of class 0, 30 of class 1, 6 of class 2, of which 2 have class 0 too, and 4 without any class.
LABELS = np.zeros((100, 3), np.bool_)
LABELS[:60, 0] = LABELS[60:90, 1] = LABELS[90:96, 2] = LABELS[90:92, 0] = True
KINDS = [slice(0, 60), slice(60, 90), slice(90, 96), slice(96, 100)]  # a tile counts by its rarest class


def test_inverse_frequency_gives_each_class_its_share() -> None:
    weights = sampling_weights(LABELS, "inverse_frequency", 0.0)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[60] / weights[0] == pytest.approx(62 / 30)
    assert weights[91] / weights[0] == pytest.approx(62 / 6)
    assert weights[96] / weights[0] == pytest.approx(62 / 4)


@pytest.mark.parametrize(
    ("count", "beta", "expected"),
    [(1, 0.9, 1.0), (2, 0.9, 1.9), (10_000, 0.9, 10.0), (7, 0.0, 1.0), (100, 0.999, (1 - 0.999**100) / 0.001)],
)
def test_effective_numbers(count: int, beta: float, expected: float) -> None:
    assert effective_number(np.array([float(count)]), beta)[0] == pytest.approx(expected)


def test_effective_number_levels_less_than_inverse_frequency() -> None:
    inverse = sampling_weights(LABELS, "inverse_frequency", 0.0)
    effective = sampling_weights(LABELS, "effective_number", 0.9)
    assert 1 < effective[96] / effective[0] < inverse[96] / inverse[0]


def test_an_epoch_has_each_record_as_often_as_it_weighs() -> None:
    weights = sampling_weights(LABELS, "inverse_frequency", 0.0)
    counts = np.array([np.bincount(balanced_order(weights, 3, epoch), minlength=100) for epoch in range(200)])
    assert (counts.sum(axis=1) == 100).all(), "an epoch is as long as ever"
    assert (counts >= np.floor(weights)).all()
    assert (counts <= np.ceil(weights)).all()
    np.testing.assert_allclose(counts.mean(axis=0), weights, atol=0.15)
    for kind in KINDS:
        assert counts[:, kind].sum(axis=1).mean() == pytest.approx(weights[kind].sum(), rel=0.03)


def test_equal_weights_read_each_record_once() -> None:
    assert sorted(balanced_order(np.ones(50), 0, 0).tolist()) == list(range(50))


@pytest.mark.parametrize("num_workers", [2, 4])
def test_workers_together_see_the_same_balanced_batches_as_one(num_workers: int) -> None:
    weights = sampling_weights(LABELS, "inverse_frequency", 0.0)
    whole = train_plan(100, 8, 0, 1, 7, 2, weights)
    plans = [train_plan(100, 8, worker, num_workers, 7, 2, weights) for worker in range(num_workers)]
    np.testing.assert_array_equal(np.hstack(plans), whole)
    assert not np.array_equal(whole, train_plan(100, 8, 0, 1, 7, 3, weights))
    assert not np.array_equal(whole, train_plan(100, 8, 0, 1, 8, 2, weights))
