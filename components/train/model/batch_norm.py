"""Batch normalisation over the global batch, so that N workers compute what one does, with one exchange per layer.

Keras' `synchronized=True` exchanges each layer's sum, sum of squares and count one after the other: a training step
waits for the network five times per layer where two suffice, and a ResNet50 has 53 such layers.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def normalize_over_replicas(layer: Any, momentum: float) -> None:
    """Makes a keras BatchNormalization compute its moments over all replicas, which have equal parts of a batch.

    Args:
      layer: The layer.
      momentum: Momentum of its moving statistics.
    """
    layer.momentum = momentum
    # Patched, not subclassed, because the models of keras.applications create their own layers.
    layer._moments = functools.partial(_moments, layer)


def num_exchanges(model: Any) -> int:
    """Returns how often replicas exchange moments in a training step: once a layer on the way there, and once back."""
    return sum(2 for layer in model._flatten_layers(include_self=False) if _is_over_replicas(layer) and layer.trainable)


def _is_over_replicas(layer: Any) -> bool:
    moments = getattr(layer, "_moments", None)
    return isinstance(moments, functools.partial) and moments.func is _moments


def _moments(layer: Any, inputs: Any, mask: Any) -> tuple[Any, Any]:
    """Returns mean and variance of float32 `inputs` [n, ..., C] over all replicas, [C], as Keras does."""
    axes = layer._reduction_axes
    sums = tf.stack([tf.reduce_sum(inputs, axes), tf.reduce_sum(tf.square(inputs), axes)])  # [2, C]
    count = tf.cast(tf.size(inputs) // tf.shape(sums)[1], tf.float32)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        sums = _added_up(sums)
        count *= context.num_replicas_in_sync
    mean, mean_square = tf.unstack(sums / count)
    return mean, tf.maximum(mean_square - tf.square(mean), 0.0)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _added_up(sums: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Returns the sum over all replicas; so is its gradient."""

    def over_replicas(mine: Any) -> Any:
        # XLA would take the exchange into its program and, alone in there, find nobody to exchange with: on a CPU it
        # returns a replica's own sums without a word.
        with tf.xla.experimental.jit_scope(compile_ops=False):
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, mine)

    return over_replicas(sums), over_replicas
