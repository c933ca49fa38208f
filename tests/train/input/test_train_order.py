import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.train.input.order import NO_RECORD, batch_positions, epoch_order, evaluation_plan, train_plan

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 100))  # workers, tiles per worker, records


@given(SIZES, st.integers(0, 3))
def test_workers_together_see_the_same_global_batches_as_one(sizes: tuple[int, int, int], epoch: int) -> None:
    num_workers, local, num_records = sizes
    batch = num_workers * local
    plans = [train_plan(num_records, batch, worker, num_workers, 7, epoch) for worker in range(num_workers)]
    np.testing.assert_array_equal(np.hstack(plans), train_plan(num_records, batch, 0, 1, 7, epoch))
    assert {plan.shape for plan in plans} == {(num_records // batch, local)}  # as many steps on each


@given(SIZES)
def test_an_evaluation_covers_every_record_once(sizes: tuple[int, int, int]) -> None:
    num_workers, local, num_records = sizes
    plans = [evaluation_plan(num_records, num_workers * local, w, num_workers) for w in range(num_workers)]
    seen = np.concatenate([plan.ravel() for plan in plans])
    assert sorted(seen[seen != NO_RECORD].tolist()) == list(range(num_records))
    assert len({plan.shape for plan in plans}) == 1
    assert (seen == NO_RECORD).sum() < num_workers * local


def test_an_epoch_is_a_permutation_of_seed_and_epoch() -> None:
    orders = {(seed, epoch): epoch_order(50, seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
    for order in orders.values():
        assert sorted(order.tolist()) == list(range(50))
    assert len({tuple(order.tolist()) for order in orders.values()}) == 4
    np.testing.assert_array_equal(orders[1, 1], epoch_order(50, 1, 1))


def test_the_order_never_changes_between_versions() -> None:
    # A checkpoint written by an earlier release resumes in the middle of such an order.
    assert epoch_order(8, 0, 0).tolist() == [2, 4, 3, 6, 5, 0, 1, 7]


@pytest.mark.parametrize(("worker", "expected"), [(0, [0, 1, 2]), (1, [3, 4, 5])])
def test_positions_are_places_in_the_global_batch(worker: int, expected: list[int]) -> None:
    assert batch_positions(6, worker, 2).tolist() == expected
