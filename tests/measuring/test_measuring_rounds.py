"""Sides take turns in an order that is drawn, the same whenever it is drawn again."""

import collections

import pytest

from components.measuring.rounds import round_orders, take_rounds
from components.measuring.turns import stream_turn, work_turn

SIDES = ("a", "a again", "b")


def test_every_order_comes_up_about_as_often():
    orders = collections.Counter(tuple(order) for order in round_orders(SIDES, 6_000, seed=1))

    assert len(orders) == 6
    assert all(880 < count < 1_120 for count in orders.values())  # four standard deviations of 29


@pytest.mark.parametrize(("one", "other", "same"), [(1, 1, True), (1, 2, False)])
def test_the_seed_decides_the_orders(one, other, same):
    assert (list(round_orders(SIDES, 20, one)) == list(round_orders(SIDES, 20, other))) is same


def test_the_orders_of_a_seed_stay_what_they_are():
    assert list(round_orders(SIDES, 3, seed=7)) == [["b", "a", "a again"], ["b", "a", "a again"], ["a again", "b", "a"]]


def test_each_side_has_one_turn_a_round_after_one_that_does_not_count():
    taken = []

    def turn_of(side):
        return lambda: float(taken.append(side) or len(taken))

    rounds = take_rounds({side: turn_of(side) for side in SIDES}, num_rounds=4, seed=3)

    assert taken[:3] == list(SIDES)
    assert [taken[start : start + 3] for start in range(3, 15, 3)] == list(round_orders(SIDES, 4, seed=3))
    assert [list(each) for each in rounds] == [list(SIDES)] * 4
    assert sorted(value for each in rounds for value in each.values()) == list(range(4, 16))


def test_work_is_measured_in_items_a_second():
    assert work_turn(lambda: None, 10.0)() > 10_000


def test_a_stream_is_started_by_its_first_turn():
    started = []

    def batches():
        started.append(True)
        while True:
            yield 0

    class Batches:
        __iter__ = staticmethod(batches)

    turn = stream_turn(Batches(), batch_size=1, num_batches=1)
    assert started == []
    assert turn() > 0
    turn()
    assert started == [True]
