"""The two functions that run on every worker's device, in lockstep: a training step and a validation step."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.train import objective
from components.train.augment import augment
from components.train.config import TrainConfig

# (image, valid, labels, global step, wish to stop) -> loss of the global batch, number of workers that wish to stop
TrainStep = Callable[..., tuple[float, float]]
# (image, valid, labels, weights) -> loss sum, weight sum, confusion counts [3, C], over all workers
ValidationStep = Callable[..., tuple[float, float, NDArray[np.float64]]]


def make_optimizer(config: TrainConfig, num_steps: int) -> Any:
    """Returns AdamW with a linear warm-up and a cosine decay to zero over `num_steps`."""
    warmup_steps = round(num_steps * config.warmup_fraction)
    if warmup_steps:
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(num_steps - warmup_steps, 1), warmup_target=config.learning_rate, warmup_steps=warmup_steps
        )
    else:
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, num_steps)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    # Decay keeps kernels small; a norm's scale or a bias has no reason to be near zero.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def learning_rate(optimizer: Any) -> float:
    """Returns the rate of the next step."""
    return float(optimizer.learning_rate.numpy())


def make_train_step(
    strategy: Any,
    model: Any,
    optimizer: Any,
    config: TrainConfig,
    class_weights: NDArray[np.float32],
    positions: NDArray[np.int32],
    single_label: bool,
) -> TrainStep:
    """Returns the training step.

    Args:
      positions: places of this worker's tiles in the global batch, [n].
    """
    global_batch_size = config.global_batch_size

    def on_replica(image: Any, valid: Any, labels: Any, global_step: Any, stop: Any) -> Any:
        if config.augment:
            image, valid = augment(image, valid, config.seed, global_step, positions, global_batch_size)
        with tf.GradientTape() as tape:
            logits = model([image, valid], training=True)
            losses = objective.tile_losses(labels, logits, class_weights, single_label)
            # A share of the global mean: the optimizer adds the workers' gradients up.
            loss = tf.reduce_sum(losses) / global_batch_size
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return tf.stack([loss, stop])

    @tf.function  # type: ignore[untyped-decorator]
    def on_all(*tensors: Any) -> Any:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(on_replica, args=tensors), axis=None)

    def step(image: Any, valid: Any, labels: Any, global_step: int, stop: bool) -> tuple[float, float]:
        result = on_all(image, valid, labels, tf.constant(global_step, tf.int64), tf.constant(float(stop)))
        loss, num_stop = result.numpy().tolist()
        return loss, num_stop

    return step


def make_validation_step(
    strategy: Any, model: Any, class_weights: NDArray[np.float32], single_label: bool
) -> ValidationStep:
    """Returns the validation step."""
    num_classes = len(class_weights)

    def on_replica(image: Any, valid: Any, labels: Any, weights: Any) -> Any:
        logits = model([image, valid], training=False)
        losses = objective.tile_losses(labels, logits, class_weights, single_label)
        counts = objective.confusion_counts(labels, logits, weights, single_label)
        sums = tf.stack([tf.reduce_sum(losses * weights), tf.reduce_sum(weights)])
        return tf.concat([sums, tf.reshape(counts, [-1])], axis=0)

    @tf.function  # type: ignore[untyped-decorator]
    def on_all(*tensors: Any) -> Any:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(on_replica, args=tensors), axis=None)

    def step(image: Any, valid: Any, labels: Any, weights: Any) -> tuple[float, float, NDArray[np.float64]]:
        result = on_all(image, valid, labels, tf.constant(weights)).numpy().astype(np.float64)
        return float(result[0]), float(result[1]), result[2:].reshape(3, num_classes)

    return step
