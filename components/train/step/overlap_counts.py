"""Counts on the device what components/scoring/overlap_iou.py counts of one tile, for a batch: the matrix M.

For validation, which wants a number after each epoch; maps are enlarged to the model's input and not to the tile.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.train.input.cover import classes_of, valid_of

_WORD = 4096  # of two, so that sums of them stay exact in float32


def overlap_counts(cover: Any, maps: Any, num_classes: int) -> Any:
    """Returns M of each tile, predicted by true, int32 [n, C + 1, C + 1], background first.

    A pixel is predicted to have its most probable class, if that is more probable than not, else background.

    Args:
      cover: See cover.py, uint8 [n, S, S, P].
      maps: Logits, float32 [n, h, w, C].
      num_classes: C.
    """
    size = cover.shape[1]
    num_pixels = size * size

    def of_tile(tile: Any) -> Any:
        valid, has, logits = tile
        logits = tf.reshape(tf.image.resize(logits, [size, size]), [num_pixels, num_classes])
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        predicted = tf.where(tf.reduce_max(logits, axis=-1) > 0.0, best + 1, 0)  # [SS]
        counts = tf.reshape(tf.cast(valid, tf.float32), [num_pixels, 1])
        chosen = tf.one_hot(predicted, num_classes + 1) * counts  # [SS, C + 1]
        has = tf.reshape(tf.cast(has, tf.float32), [num_classes, num_pixels])
        has = tf.concat([1.0 - tf.reduce_max(has, axis=0, keepdims=True), has], axis=0)  # [C + 1, SS]
        is_hit = tf.reduce_sum(chosen * tf.transpose(has), axis=-1, keepdims=True)
        wrong = tf.matmul(chosen * (1.0 - is_hit), has, transpose_a=True, transpose_b=True)
        right = tf.linalg.matvec(has, is_hit[:, 0])
        return tf.cast(wrong + tf.linalg.diag(right), tf.int32)  # exact in float32 up to tiles of 4,096 px

    tiles = valid_of(cover), classes_of(cover, num_classes), maps
    side = num_classes + 1
    # One after the other, because the pixels of a batch, as floats by class, would take gigabytes.
    return tf.map_fn(of_tile, tiles, fn_output_signature=tf.TensorSpec([side, side], tf.int32))


def to_words(counts: Any) -> Any:
    """Returns int32 [...] as float32 [2 * size], whose sums over replicas stay exact."""
    flat = tf.reshape(counts, [-1])
    return tf.cast(tf.concat([flat // _WORD, flat % _WORD], axis=0), tf.float32)


def from_words(words: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the counts, int64 [C + 1, C + 1], from sums of what to_words gave."""
    upper, lower = np.split(np.asarray(words, np.int64), 2)
    side = round(np.sqrt(len(upper)))
    counts: NDArray[np.int64] = (upper * _WORD + lower).reshape(side, side)
    return counts
