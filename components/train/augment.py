"""Random flips and quarter turns on the device, the same for a tile whoever computes it."""

from typing import Any

import tensorflow as tf


def augment(image: Any, valid: Any, seed: int, step: Any, positions: Any, global_batch_size: int) -> tuple[Any, Any]:
    """Returns the tiles in one of their eight orientations each, all bands and the valid mask alike.

    Args:
      image: uint8 [n, S, S, B].
      valid: uint8 [n, S, S, 1].
      seed: of the training run.
      step: over all epochs, int64 [].
      positions: places in the global batch, int32 [n]; the orientation follows from (seed, step, position) alone.
      global_batch_size: over all workers.
    """
    draws = tf.random.stateless_uniform([global_batch_size, 3], tf.stack([tf.constant(seed, tf.int64), step]))
    choices = tf.gather(draws, positions) < 0.5  # [n, 3]
    image, valid = _where(choices[:, 0], tf.transpose, image, valid, perm=[0, 2, 1, 3])
    image, valid = _where(choices[:, 1], tf.reverse, image, valid, axis=[1])
    return _where(choices[:, 2], tf.reverse, image, valid, axis=[2])


def _where(chosen: Any, change: Any, image: Any, valid: Any, **how: Any) -> tuple[Any, Any]:
    mask = chosen[:, tf.newaxis, tf.newaxis, tf.newaxis]  # [n, 1, 1, 1]
    return tf.where(mask, change(image, **how), image), tf.where(mask, change(valid, **how), valid)
