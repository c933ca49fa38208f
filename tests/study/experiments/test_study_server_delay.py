"""The delay of asynchronous workers: counted as by hand, and in real processes."""

import dataclasses

import pytest
import tensorflow as tf
from tiny_bench import tiny_bench

from components.errors import DataError
from components.private_network import NoPrivateNetwork
from components.study.experiments.parallel_sgd import server_delay
from components.study.experiments.parallel_sgd.server_delay import Delays, delay_tables, measure_delays, server_delays
from components.study.experiments.parallel_sgd.watched_updates import LONGEST, WatchedUpdates
from components.study.results.machine import describe_machine
from components.train.worker.assembly import Trained


class FakeModel:
    """A network that answers with what it is given."""

    trainable_variables = ()

    def __call__(self, inputs, training):
        return inputs


class FakeOptimizer:
    """Keeps what it is to apply."""

    def __init__(self):
        self.applied = []

    def apply(self, gradients, variables, rate, factors):
        self.applied.append((list(gradients), rate))


def counted(delays):
    return tuple(delays.count(delay) for delay in range(LONGEST + 1))


def real_bench(tmp_path, lines=None):
    return dataclasses.replace(tiny_bench(tmp_path, lines), machine=describe_machine())


def test_a_gradient_is_late_by_the_updates_since_its_first_weight_was_read():
    optimizer = FakeOptimizer()
    watched = WatchedUpdates(Trained(FakeModel(), None, optimizer))
    model, ours = watched.trained.model, watched.trained.optimizer
    gradient = [tf.constant([1.0]), None]

    assert model(5, training=True) == 5
    for _ in range(3):  # of which the second and third are late by one and by two
        ours.apply(gradient, [], 0.5)
    assert watched.counts()[:4].tolist() == [1, 1, 1, 0]

    watched.start()
    for _ in range(2):  # weights that are read after an update are not late
        model(5, training=True)
        ours.apply(gradient, [], 0.5)
    assert watched.counts()[:4].tolist() == [2, 0, 0, 0]
    assert optimizer.applied == [(gradient, 0.5)] * 5


def test_what_is_later_than_can_be_told_counts_as_the_longest():
    watched = WatchedUpdates(Trained(FakeModel(), None, FakeOptimizer()))
    watched.trained.model(0, training=True)
    for _ in range(LONGEST + 5):
        watched.trained.optimizer.apply([], [], 0.5)

    assert watched.counts()[LONGEST] == 5
    assert watched.counts().sum() == LONGEST + 5


@pytest.mark.parametrize(
    ("delays", "shares", "middle"),
    [
        ([0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 0], (0, 0, 0)),
        ([0, 1, 1, 2], [0.25, 0.5, 0.25, 0, 0, 0, 0, 0, 0], (1, 1, 2)),
        ([1, 3, 8, 12], [0, 0.25, 0, 0.25, 0, 0, 0, 0, 0.5], (5.5, 6, 12)),
    ],
)
def test_the_tables_have_the_shares_of_delays_and_their_middle(delays, shares, middle):
    by_delay, middles = delay_tables({2: Delays(counted(delays))})

    assert by_delay.values == (tuple(shares),)
    assert by_delay.columns == ("0", "1", "2", "3", "4", "5", "6", "7", "8 or more")
    assert middles.values == (middle,)
    assert by_delay.is_measured
    assert middles.is_measured


def test_without_a_network_of_their_own_workers_do_not_run_and_have_no_number(tmp_path, monkeypatch):
    def refused():
        raise NoPrivateNetwork("Operation not permitted")

    monkeypatch.setattr(server_delay, "private_network", refused)
    lines = []
    by_delay, middles = server_delays(tiny_bench(tmp_path, lines))

    assert by_delay.values == ((None,) * 9,)
    assert middles.values == ((None,) * 3,)
    assert lines[-1] == ("not run here: this system gives workers no network of their own (Operation not permitted)")


@pytest.mark.slow
def test_a_chief_that_fails_is_named_with_its_last_line(tmp_path, monkeypatch):
    monkeypatch.setattr(server_delay, "_PROGRAM", "components.no_such_program")

    with pytest.raises(
        DataError, match=r"^the chief of 2 workers ended with exit code 1; its last line: .*No module named"
    ):
        measure_delays(real_bench(tmp_path), 2)
    assert not list(tmp_path.glob(".delays-*"))


@pytest.mark.long
def test_two_workers_of_this_machine_are_late_by_some_updates(tmp_path):
    delays = measure_delays(real_bench(tmp_path), 2)

    assert sum(delays.counts) == 4 * 16 * 2  # calls, steps, workers
    assert 0 < delays.shares[0] < 1
    assert not list(tmp_path.glob(".delays-*"))
