"""What training minimises and what validation counts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

THRESHOLD = 0.5  # of a class's probability, while training; evaluation chooses thresholds on val
_MAX_CLASS_WEIGHT = 5.0


def class_weights(class_tiles: Sequence[int], num_tiles: int, single_label: bool) -> NDArray[np.float32]:
    """Returns a mild weight for each class's tiles, float32 [C]; rare classes weigh more.

    multi-label: of the positive term, the square root of negatives to positives, in 1..5.
    single-label: of the tile, the square root of the mean count to the class's, in 0.2..5.
    """
    counts = np.maximum(np.array(class_tiles, np.float64), 1.0)
    if single_label:
        weights = np.clip(np.sqrt(counts.mean() / counts), 1 / _MAX_CLASS_WEIGHT, _MAX_CLASS_WEIGHT)
    else:
        weights = np.clip(np.sqrt(np.maximum(num_tiles - counts, 0.0) / counts), 1.0, _MAX_CLASS_WEIGHT)
    return np.asarray(weights, np.float32)


def tile_losses(labels: Any, logits: Any, weights: NDArray[np.float32], single_label: bool) -> Any:
    """Returns the loss of each tile, float32 [n], from labels and logits [n, C]."""
    if single_label:
        weight_of_tile = tf.reduce_sum(labels * weights, axis=-1)
        return weight_of_tile * tf.nn.softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(labels, logits, weights), axis=-1)


def probabilities(logits: Any, single_label: bool) -> Any:
    """Returns float32 [n, C]: independent for each class, or adding up to 1 in single-label mode."""
    return tf.nn.softmax(logits) if single_label else tf.sigmoid(logits)


def confusion_counts(labels: Any, logits: Any, tile_weights: Any, single_label: bool) -> Any:
    """Returns true positives, false positives and false negatives by class, float32 [3, C].

    A class is predicted from THRESHOLD on; in single-label mode the most probable one is.
    """
    if single_label:
        predicted = tf.one_hot(tf.argmax(logits, axis=-1), logits.shape[-1])
    else:
        predicted = tf.cast(tf.sigmoid(logits) >= THRESHOLD, tf.float32)
    counted = tile_weights[:, tf.newaxis]
    return tf.stack(
        [
            tf.reduce_sum(counted * predicted * labels, axis=0),
            tf.reduce_sum(counted * predicted * (1.0 - labels), axis=0),
            tf.reduce_sum(counted * (1.0 - predicted) * labels, axis=0),
        ]
    )


def macro_f1(counts: NDArray[np.float64]) -> float:
    """Returns the mean F1 over the classes that have tiles, from confusion counts [3, C]; 0 if none has."""
    true_positives, false_positives, false_negatives = counts
    supported = true_positives + false_negatives > 0
    if not supported.any():
        return 0.0
    f1 = 2 * true_positives / np.maximum(2 * true_positives + false_positives + false_negatives, 1.0)
    return float(f1[supported].mean())
