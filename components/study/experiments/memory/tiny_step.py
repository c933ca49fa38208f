"""A training step that takes hardly any memory but that of its batch."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.study.experiments.memory.memory_spec import TILE_SIZE_PX

_STRIDE_PX, _NUM_FILTERS, _RATE = 16, 8, 0.01


def make_tiny_step(num_classes: int) -> Callable[[Any, Any], Any]:
    """Returns a step from images [B, S, S, 3] in 0..255 and labels [B] to the loss, which also updates the weights."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((TILE_SIZE_PX, TILE_SIZE_PX, 3)),
            keras.layers.Conv2D(_NUM_FILTERS, _STRIDE_PX, strides=_STRIDE_PX, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(num_classes),
        ]
    )

    def step(images: Any, labels: Any) -> Any:
        pixels = tf.cast(images, tf.float32) * (1.0 / 255.0)
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model(pixels))
            loss = tf.reduce_mean(losses)
        variables = [variable.value for variable in model.trainable_variables]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(_RATE * gradient)
        return loss

    compiled: Callable[[Any, Any], Any] = tf.function(step, autograph=False)
    return compiled
