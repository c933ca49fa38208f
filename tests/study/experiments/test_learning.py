"""Trainings in one process: what is late is late by the delay, and nothing else changes."""

import dataclasses

import numpy as np
import pytest
from tiny_bench import tiny_bench, tiny_tiles

from components.errors import DataError, SettingsError
from components.study.arms.arm import Parallelism
from components.study.experiments.learning.learner import Learner
from components.study.experiments.learning.learning_arms import PLAIN_SGD, learning_arm, with_seed
from components.study.experiments.learning.tiles import draw_tiles
from components.study.experiments.learning.training import learn
from components.study.experiments.parallel_sgd.equal_batches import TOLERANCE, weight_differences

RATE = 0.05


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return tiny_bench(tmp_path_factory.mktemp("bench"))


def arm_of(bench, delay=0, num_averaged=1, batch=16, **config):
    kind = "delayed" if delay else "averaged" if num_averaged > 1 else "sequential"
    how = Parallelism(kind=kind, delay=delay, num_averaged=num_averaged)
    settings = {**PLAIN_SGD, "learning_rate": RATE, "epochs": 2, "global_batch_size": batch, **config}
    return learning_arm(bench, tiny_tiles(), "an arm", how, **settings)


@pytest.fixture(scope="module")
def learner(bench):
    return Learner(tiny_tiles(), arm_of(bench).training.config, holds_batch_norm=True)


def test_tiles_are_the_same_twice_and_fields_are_in_one_split():
    tiles = tiny_tiles()
    fields = [{name.rpartition("-")[0] for name in split.names} for split in tiles.splits.values()]

    assert draw_tiles(120, 64, 32, 20_210_601, 64).sha256 == tiles.sha256
    assert len(tiles.splits["train"]) == 64
    assert sum(map(len, fields)) == len(set.union(*fields))
    assert all((split.labels.sum(axis=1) == 1).all() for split in tiles.splits.values())


def test_too_few_tiles_are_told():
    with pytest.raises(SettingsError, match=r"^the study needs at least 64 tiles to train on, got 36 of 60 tiles; cho"):
        draw_tiles(60, 64, 32, 1, 64)


@pytest.mark.parametrize("how", [{}, {"delay": 3}, {"num_averaged": 4}])
def test_the_same_arm_learns_the_same_twice(bench, learner, how):
    one, other = (learn(learner, with_seed(arm_of(bench, **how), 5)) for _ in range(2))

    assert one == other
    assert one.witness != learn(learner, with_seed(arm_of(bench, **how), 6)).witness


@pytest.mark.parametrize("delay", [1, 3])
def test_a_late_gradient_is_of_the_weights_before_the_updates_it_missed(bench, learner, delay):
    """Against weights kept by hand: update t has the gradient of tiles t at the weights after t - delay updates."""
    arm = arm_of(bench, delay=delay)
    config, kept = arm.training.config, []
    learner.start(config.seed)
    in_epoch = 64 // 16
    for step in range(2 * in_epoch):
        epoch, place = divmod(step, in_epoch)
        rows = np.random.default_rng([0, 1_000_000 + epoch]).permutation(64)[16 * place : 16 * place + 16]
        kept.append([values for _, values in learner.weights()])
        now = kept[-1]
        for variable, old in zip(learner.variables, kept[max(0, step - delay)], strict=True):
            variable.assign(old)
        _, gradient = learner.gradient(rows, step, config)
        for variable, values, change in zip(learner.variables, now, gradient, strict=True):
            variable.assign(values - RATE * change.numpy())
    by_hand = [values for _, values in learner.weights()]
    learn(learner, arm, ())

    for (_, values), expected in zip(learner.weights(), by_hand, strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_averaged_gradients_move_weights_as_one_big_batch_does(bench, learner):
    found = weight_differences(learner, arm_of(bench, batch=32).training.config, 64, 4, 3)

    assert len(found) == 3
    assert max(found) <= TOLERANCE


def test_with_batch_normalisation_they_do_not_and_that_is_told(bench):
    config = arm_of(bench, batch=32).training.config
    normalised = Learner(tiny_tiles(), config, holds_batch_norm=False)

    with pytest.raises(DataError, match=r"^the mean of 4 gradients must move weights as one batch does, to 1e-05, got"):
        weight_differences(normalised, config, 64, 4, 2)


def test_what_diverged_has_no_score(bench, learner):
    score = learn(learner, arm_of(bench, learning_rate=1e4)).scores["val"]

    assert dataclasses.astuple(score) == (np.inf, 0.0, 0.0)


def test_sequential_and_averaged_read_the_same_tiles_in_the_same_order(bench, learner):
    one = learn(learner, arm_of(bench, batch=8)).witness
    other = learn(learner, arm_of(bench, num_averaged=4, batch=32)).witness

    assert (one.order, one.initial_weights) == (other.order, other.initial_weights)
    assert (one.num_updates, other.num_updates) == (16, 4)
