import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.train.input.order import batch_positions
from components.train.input.reader import Batch
from components.train.settings.config import TrainConfig
from components.train.step.objective import make_loss
from components.train.step.optimizer import Optimizer
from components.train.step.steps import TrainSteps, Wishes, make_train_steps
from components.train.step.weight_average import WeightAverage

RNG = np.random.default_rng(0)
NUM_STEPS = 5
TUNING = {"global_batch_size": 4, "image_size_px": 32, "zoom_range": 0.1, "clip_norm": 0.5, "ema_decay": 0.9}


def batches() -> list[Batch]:
    rng = np.random.default_rng(1)
    return [
        Batch(
            (tf.constant(rng.integers(0, 255, (4, 8, 8, 3), np.uint8)),),
            tf.fill([4, 8, 1], tf.constant(255, tf.uint8)),
            tf.constant(rng.integers(0, 2, (4, 2)).astype(np.float32)),
            np.ones(4, np.float32),
        )
        for _ in range(NUM_STEPS)
    ]


@dataclasses.dataclass
class Fixture:
    model: keras.Model
    average: WeightAverage
    take_steps: TrainSteps

    def weights(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in (*self.model.variables, *self.average.averages)]


def make(rate_factor=lambda variable: 1.0, num_bands: int = 3, **tuning: object) -> Fixture:
    config = TrainConfig(**{**TUNING, **tuning})
    keras.utils.set_random_seed(0)
    image, valid = keras.Input((8, 8, num_bands), dtype="uint8"), keras.Input((8, 8, 1), dtype="uint8")
    seen = keras.layers.Rescaling(1 / 255)(image) * keras.ops.cast(valid, "float32")
    hidden = keras.layers.Dense(3, name="hidden")(keras.layers.Flatten()(seen))
    model = keras.Model([image, valid], keras.layers.Dense(2, name="logits")(hidden))
    optimizer = Optimizer(config, model.trainable_variables)
    average = WeightAverage(0.9, model.trainable_variables)
    loss = make_loss(config, np.ones(2, np.float32), single_label=False)
    strategy, positions = tf.distribute.get_strategy(), batch_positions(4, 0, 1)
    steps = make_train_steps(strategy, model, optimizer, average, config, loss, positions, NUM_STEPS, rate_factor)
    return Fixture(model, average, steps)


def batches_in_parts() -> list[Batch]:
    """Returns batches as the reader has them: RGB and NIR apart, and masks of which some bits are set."""
    return [
        Batch(
            tuple(tf.constant(RNG.integers(0, 256, (4, 8, 8, bands), np.uint8)) for bands in (3, 1)),
            tf.constant(RNG.integers(0, 256, (4, 8, 1), np.uint8)),
            batch.labels,
            batch.weights,
        )
        for batch in batches()
    ]


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_several_steps_per_call_are_the_same_steps(optimizer: str) -> None:
    one, many = make(optimizer=optimizer), make(optimizer=optimizer, steps_per_call=3)
    losses = [one.take_steps([batch], step, Wishes())[0][0] for step, batch in enumerate(batches())]
    together = [*many.take_steps(batches()[:3], 0, Wishes())[0], *many.take_steps(batches()[3:], 3, Wishes())[0]]
    np.testing.assert_array_equal(together, losses)
    assert len(set(losses)) == NUM_STEPS
    for mine, other in zip(one.weights(), many.weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_calls_of_any_length_are_the_same_steps() -> None:
    one, mixed = make(steps_per_call=1), make()
    losses = [one.take_steps([batch], step, Wishes())[0][0] for step, batch in enumerate(batches())]
    calls = [batches()[start:end] for start, end in ((0, 1), (1, 3), (3, 4), (4, 5))]  # the loop takes the last two
    steps = itertools.accumulate([0, *map(len, calls)])
    together = [
        loss for call, step in zip(calls, steps, strict=False) for loss in mixed.take_steps(call, step, Wishes())[0]
    ]
    np.testing.assert_array_equal(together, losses)
    for mine, other in zip(one.weights(), mixed.weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_bands_are_joined_and_masks_unpacked_within_the_call_as_they_would_be_before_it(
    steps_per_call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = batches_in_parts()
    joined = [Batch((batch.image,), batch.valid_bits, batch.labels, batch.weights) for batch in apart]
    assert not np.array_equal(apart[0].valid, apart[1].valid)
    image, made = Batch.image.fget, []
    monkeypatch.setattr(Batch, "image", property(lambda batch: made.append(batch) or image(batch)))

    def losses(of: list[Batch]) -> list[float]:
        take_steps = make(num_bands=4, steps_per_call=steps_per_call).take_steps
        groups = [(step, of[step : step + steps_per_call]) for step in range(0, NUM_STEPS, steps_per_call)]
        return [loss for step, group in groups for loss in take_steps(group, step, Wishes())[0]]

    np.testing.assert_array_equal(losses(apart), losses(joined))
    assert len(made) == 2  # once for each program, while it is traced


@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_wishes_come_back(steps_per_call: int) -> None:
    take_steps = make(steps_per_call=steps_per_call).take_steps
    group = batches()[:steps_per_call]
    for wishes in (Wishes(), Wishes(stop=1.0), Wishes(finish=1.0), Wishes(steps=7.0)):
        assert take_steps(group, 0, wishes)[1] == wishes


def test_a_variable_without_a_rate_is_not_trained() -> None:
    fixture = make(lambda variable: 0.0 if "hidden" in variable.path else 1.0)
    before = {variable.path: variable.numpy() for variable in fixture.model.variables}
    fixture.take_steps(batches()[:1], 0, Wishes())
    for variable in fixture.model.variables:
        assert np.array_equal(variable.numpy(), before[variable.path]) == ("hidden" in variable.path)
