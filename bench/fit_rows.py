"""Training: our step against Keras' `fit`, with the same network, optimizer, loss and batches in memory."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from bench.pairs import Row, Side
from bench.run_settings import Setup
from bench.sides import compare
from components.measuring.turns import work_turn
from components.train.input import order
from components.train.input.reader import Batch
from components.train.model.model import build_model
from components.train.settings.config import TrainConfig
from components.train.step import objective, steps
from components.train.step.optimizer import Optimizer
from components.train.step.schedule import peak_rate

# Keras' fit augments nothing and has no schedule, so neither do we.
SAME = TrainConfig(
    backbone="small",
    image_size_px=128,
    global_batch_size=32,
    augment=False,
    schedule="constant",
    warmup_fraction=0.0,
    steps_per_call=1,
)
_NUM_CLASSES, _NUM_BATCHES, _STEPS = 7, 4, 8
_FEWEST_ROUNDS = 31  # of turns of a second, whose ratio on two cores falls now above, now below 1 with fewer
# Adam divides by the gradient's size, so that rounding shows where the gradient is small.
_COMPARED_STEPS, _MOST_APART = 3, 0.05
# Keras adds epsilon before it corrects the square's bias, by the root of 1 - 0.999^t; this is our 1e-7 at step 2.
_EPSILON = 4.5e-9
_UNDECAYED = ["bias", "gamma", "beta"]  # ours decays weights of two or more dimensions
_BAND_MEAN, _BAND_STD = (0.4,) * 4, (0.2,) * 4


def train_vs_keras_fit(setup: Setup, target: float) -> Row:
    """Our training step against Keras' `fit` without XLA, one worker, one step per call on both sides."""
    apart = 0.0 if setup.side else _distance()
    if apart > _MOST_APART:
        raise ValueError(
            f"after {_COMPARED_STEPS} steps the weights of the two sides are {apart:.1%} of their way apart, "
            f"expected at most {_MOST_APART:.0%}; they do not train the same"
        )
    what = f"{SAME.backbone}, {SAME.image_size_px} px, batches of {SAME.global_batch_size} in memory, AdamW, float32"
    num_tiles = _STEPS * SAME.global_batch_size
    row = compare(
        "train_vs_keras_fit",
        Side(f"our training step: {what}, no augmentation", _later(lambda: work_turn(_ours()[1], num_tiles))),
        Side("keras.Model.fit on the same, jit_compile=False", _later(lambda: work_turn(_keras()[1], num_tiles))),
        dataclasses.replace(setup, num_rounds=max(setup.num_rounds, _FEWEST_ROUNDS)),
        target,
    )
    return dataclasses.replace(
        row,
        note=f"after {_COMPARED_STEPS} steps the two sides' weights are {apart:.2%} of their way apart",
        details={"weights_apart": apart, "compared_steps": _COMPARED_STEPS},
    )


def _later(make: Callable[[], Callable[[], float]]) -> Callable[[], float]:
    """Returns a turn that is made when it is first taken, so not in the process of the other side."""
    made: list[Callable[[], float]] = []

    def turn() -> float:
        if not made:
            made.append(make())
        return made[0]()

    return turn


def _batches() -> list[Batch]:
    """Returns the batches, of noise."""
    rng, n, side = np.random.default_rng(0), SAME.global_batch_size, SAME.image_size_px
    return [
        Batch(
            parts=tuple(tf.constant(rng.integers(0, 256, (n, side, side, bands), np.uint8)) for bands in (3, 1)),
            valid_bits=tf.constant(rng.integers(0, 256, (n, side, -(-side // 8)), np.uint8)),
            labels=tf.constant(rng.integers(0, 2, (n, _NUM_CLASSES)).astype(np.float32)),
            weights=np.ones(n, np.float32),
        )
        for _ in range(_NUM_BATCHES)
    ]


def _network() -> Any:
    keras.utils.set_random_seed(0)
    return build_model(SAME.backbone, SAME.image_size_px, _NUM_CLASSES, _BAND_MEAN, _BAND_STD)


def _loss() -> objective.Loss:
    return objective.make_loss(SAME, np.ones(_NUM_CLASSES, np.float32), single_label=False)


def _ours(num_steps: int = _STEPS) -> tuple[Any, Callable[[], None]]:
    """Returns the model, and what takes `num_steps` steps, each from what the reader delivers."""
    model = _network()
    optimizer = Optimizer(SAME, model.trainable_variables)
    positions = order.batch_positions(SAME.global_batch_size, 0, 1)
    strategy = tf.distribute.get_strategy()
    take = steps.make_train_steps(strategy, model, optimizer, None, SAME, _loss(), positions, num_steps)
    batches, count = itertools.cycle(_batches()), itertools.count()

    def work() -> None:
        for _ in range(num_steps):
            take([next(batches)], next(count), steps.Wishes())

    return model, work


def _keras(num_steps: int = _STEPS) -> tuple[Any, Callable[[], None]]:
    """Returns the model, and what lets `fit` take `num_steps` steps, from images and masks that are ready."""
    model = _network()
    optimizer = keras.optimizers.AdamW(peak_rate(SAME), weight_decay=SAME.weight_decay, epsilon=_EPSILON)
    optimizer.exclude_from_weight_decay(var_names=_UNDECAYED)
    model.compile(optimizer, _loss(), jit_compile=False)
    batches = _batches()
    image, valid, labels = (tf.stack([getattr(b, name) for b in batches]) for name in ("image", "valid", "labels"))
    data = tf.data.Dataset.from_tensor_slices(((image, valid), labels)).repeat().prefetch(2)

    def work() -> None:
        model.fit(data, steps_per_epoch=num_steps, epochs=1, verbose=0)

    return model, work


def _distance() -> float:
    """Returns how far apart weights are after the same few steps on both sides, as a share of the way they went."""
    sides = [make(_COMPARED_STEPS) for make in (_ours, _keras)]
    before = _weights(sides[0][0])
    for _, work in sides:
        work()
    mine, others = (_weights(model) for model, _ in sides)
    return float(np.linalg.norm(mine - others) / np.linalg.norm(others - before))


def _weights(model: Any) -> NDArray[np.float32]:
    """Returns all weights that are trained, in one row."""
    return np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables])
