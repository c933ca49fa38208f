import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from pretrained_backbone import MEAN, STD, random_tiles

from components.train.input.reader import Batch
from components.train.loop.unfreezing import (
    enter_stage,
    make_rate_factor,
    make_staged_steps,
    num_unfrozen,
    steps_left_in_stage,
)
from components.train.model.model import backbone_of, build_model
from components.train.settings.backbones import BACKBONES
from components.train.settings.config import TrainConfig
from components.train.step.optimizer import Optimizer
from components.train.step.steps import Wishes, make_train_steps

PRETRAINED = {"backbone": "small", "weights": "w.keras"}


@pytest.fixture(scope="module")
def model() -> Any:
    return build_model("small", 32, 3, MEAN, STD, is_pretrained=True)


def learning(model: Any) -> set[str]:
    """Returns the variables that learn, by "<layer>/<variable>"."""
    return {"/".join(variable.path.split("/")[-2:]) for variable in model.trainable_variables}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [4, 4, 4, 4, 4, 4, 4, 4]),
        ({"freeze_epochs": 3}, [0, 0, 0, 4, 4, 4, 4, 4]),
        ({"freeze_epochs": 1, "unfreeze_every_epochs": 2}, [0, 1, 1, 2, 2, 3, 3, 4]),
        ({"unfreeze_every_epochs": 1}, [1, 2, 3, 4, 4, 4, 4, 4]),
        ({"freeze_epochs": 99}, [0] * 8),
    ],
)
def test_blocks_are_unfrozen_from_the_last_to_the_first(settings: dict, expected: list[int]) -> None:
    config = TrainConfig(**PRETRAINED, **settings)
    assert [num_unfrozen(config, epoch) for epoch in range(8)] == expected


def test_the_classifier_and_new_bands_always_learn_and_a_stage_adds_to_the_one_before(model: Any) -> None:
    config = TrainConfig(**PRETRAINED)
    everything = learning(build_model("small", 32, 3, MEAN, STD, is_pretrained=True))
    stages = []
    for unfrozen in range(5):
        enter_stage(model, config, unfrozen)
        stages.append(learning(model))
    assert stages[0] == {"logits/kernel", "logits/bias", "level_0_conv/new_bands"}
    assert stages[1] - stages[0] == {"level_3_conv/kernel", "level_3_bn/gamma", "level_3_bn/beta"}
    assert all(earlier < later for earlier, later in itertools.pairwise(stages))
    assert stages[4] == everything
    enter_stage(model, config, 1)  # as a resumed training does
    assert learning(model) == stages[1]


def test_frozen_batch_normalisation_works_as_in_inference(model: Any) -> None:
    enter_stage(model, TrainConfig(**PRETRAINED), 2)
    norms = [backbone_of(model).get_layer(f"level_{level}_bn") for level in range(4)]
    before = [norm.moving_mean.numpy() for norm in norms]
    batch = [tf.constant(part) for part in random_tiles(32, 4)]
    tf.function(lambda: model(batch, training=True))()
    changed = [not np.array_equal(norm.moving_mean.numpy(), mean) for norm, mean in zip(norms, before, strict=True)]
    assert changed == [False, False, True, True]

    enter_stage(model, TrainConfig(**PRETRAINED), 0)
    features = keras.Model(model.inputs, model.get_layer("logits").input)
    np.testing.assert_array_equal(features(batch, training=True), features(batch, training=False))


def test_the_backbone_has_a_rate_of_its_own_and_what_starts_from_nothing_has_not(model: Any) -> None:
    enter_stage(model, TrainConfig(**PRETRAINED), 4)
    factor = make_rate_factor(model, TrainConfig(**PRETRAINED, backbone_learning_rate_factor=0.1))
    factors = {"/".join(v.path.split("/")[-2:]): factor(v) for v in model.trainable_variables}
    assert {name for name, value in factors.items() if value == 1.0} == {
        "logits/kernel",
        "logits/bias",
        "level_0_conv/new_bands",
    }
    assert set(factors.values()) == {0.1, 1.0}


@pytest.mark.parametrize("first_epoch", [0, 1, 2, 4])
def test_steps_are_made_once_for_each_stage_and_from_any_step_on(model: Any, first_epoch: int) -> None:
    config = TrainConfig(**PRETRAINED, freeze_epochs=1, unfreeze_every_epochs=2)
    made: list[set[str]] = []

    def make() -> Any:
        mine = learning(model)
        made.append(mine)
        return lambda batches, global_step, wishes: (mine, wishes)

    take_steps = make_staged_steps(model, config, 10, make)
    for step in range(first_epoch * 10 + 3, 80):
        names, _ = take_steps([], step, None)  # type: ignore[arg-type]
        # Each unfrozen block of the small backbone has a kernel, and gamma and beta.
        assert len(names) == 3 + 3 * num_unfrozen(config, step // 10)
    assert len(made) == {0: 5, 1: 4, 2: 4, 4: 3}[first_epoch]


def test_frozen_weights_stay_to_the_bit_and_each_stage_is_traced_once(model: Any) -> None:
    config = TrainConfig(**PRETRAINED, freeze_epochs=1, unfreeze_every_epochs=1, global_batch_size=4, image_size_px=32)
    num_epochs, steps_per_epoch, traced = 6, 3, []
    network = backbone_of(model)

    def loss(labels: Any, logits: Any) -> Any:
        traced.append(len(model.trainable_variables))
        return tf.reduce_sum((labels - logits) ** 2, axis=-1)

    enter_stage(model, config, 4)
    optimizer = Optimizer(config, model.trainable_variables)
    num_steps, positions = num_epochs * steps_per_epoch, np.arange(4, dtype=np.int32)

    def make() -> Any:
        strategy = tf.distribute.get_strategy()
        return make_train_steps(strategy, model, optimizer, None, config, loss, positions, num_steps)

    take_steps = make_staged_steps(model, config, steps_per_epoch, make)
    image, valid = random_tiles(32, 4)
    bits = tf.constant(np.packbits(valid[..., 0], axis=-1))
    batch = Batch((tf.constant(image),), bits, tf.ones((4, 3)), np.ones(4, np.float32))
    for epoch in range(num_epochs):
        layers = [network.get_layer(name) for name in ("level_0_conv", "level_2_bn", "level_3_conv")]
        before = [layer.get_weights() for layer in layers]
        for step in range(steps_per_epoch):
            take_steps([batch], epoch * steps_per_epoch + step, Wishes())
        changed = [
            [not np.array_equal(*pair) for pair in zip(layer.get_weights(), old, strict=True)]
            for layer, old in zip(layers, before, strict=True)
        ]
        # Of the first, the published kernel, and that of new bands.
        assert changed == [[epoch >= 4, True], [epoch >= 2] * 4, [epoch >= 1]]
    assert traced == [3, 6, 9, 12, 15]


@pytest.mark.parametrize("name", ["small", "mobilenet"])
def test_every_backbone_can_be_frozen_whole(name: str) -> None:
    network = build_model(name, 32, 3, MEAN, STD, is_pretrained=True)
    enter_stage(network, TrainConfig(backbone=name, weights="w.keras"), 0)
    assert learning(network) == {"logits/kernel", "logits/bias", f"{BACKBONES[name].stem}/new_bands"}


@pytest.mark.parametrize(
    ("settings", "epoch", "step", "left"),
    [
        ({}, 0, 0, 40),
        ({}, 3, 9, 1),
        ({"freeze_epochs": 3}, 0, 4, 26),
        ({"freeze_epochs": 3}, 3, 4, 6),
        ({"freeze_epochs": 1, "unfreeze_every_epochs": 2}, 1, 5, 15),
    ],
)
def test_the_steps_of_a_stage_end_where_other_blocks_learn(
    settings: dict[str, int], epoch: int, step: int, left: int
) -> None:
    config = TrainConfig(**PRETRAINED, epochs=4, **settings)
    assert steps_left_in_stage(config, 10, epoch, step) == left
