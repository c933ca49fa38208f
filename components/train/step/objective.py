"""The loss that training minimises, and the counts behind the F1 of validation."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.f1_score import f1, macro
from components.train.input.sampling import effective_number
from components.train.settings.config import TrainConfig

# (labels, logits), float32 [n, C] -> losses, float32 [n]
Loss = Callable[[Any, Any], Any]

THRESHOLD = 0.5  # on a class's probability during training; evaluation chooses its own thresholds on val
_MAX_CLASS_WEIGHT = 5.0
_LEAST_PROBABILITY = 1e-7


def class_weights(
    class_tiles: Sequence[int], num_tiles: int, single_label: bool, weighting: str = "square_root", beta: float = 0.999
) -> NDArray[np.float32]:
    """Returns the weight of each class in the loss, float32 [C]; rare classes weigh more.

    In multi-label mode it weights the loss term of a class that is present; in single-label mode, the whole tile.
      square_root: A mild weighting. Multi-label: the square root of negatives / positives, in 1..5. Single-label: the
        square root of the mean count / the class's count, in 0.2..5.
      effective_number: 1 / effective_number, with mean 1 over the classes (Cui et al. 2019, equation 3).
      none: 1.

    Args:
      class_tiles: Tiles of each class in the train split, [C].
      num_tiles: All tiles in the train split.
      single_label: Whether training is in single-label mode.
      weighting: One of loss.CLASS_WEIGHTINGS.
      beta: The beta of effective_number.
    """
    counts = np.maximum(np.array(class_tiles, np.float64), 1.0)
    if weighting == "none":
        weights = np.ones_like(counts)
    elif weighting == "effective_number":
        inverse = 1.0 / effective_number(counts, beta)
        weights = inverse / inverse.mean()
    elif single_label:
        weights = np.clip(np.sqrt(counts.mean() / counts), 1 / _MAX_CLASS_WEIGHT, _MAX_CLASS_WEIGHT)
    else:
        weights = np.clip(np.sqrt(np.maximum(num_tiles - counts, 0.0) / counts), 1.0, _MAX_CLASS_WEIGHT)
    return np.asarray(weights, np.float32)


def make_loss(config: TrainConfig, weights: NDArray[np.float32], single_label: bool) -> Loss:
    """Returns the configured loss, from (labels, logits), both float32 [n, C], to the loss of each tile, float32 [n].

    Args:
      config: The model's tuning.
      weights: From class_weights, [C].
      single_label: Whether training is in single-label mode.
    """
    focal = config.loss == "focal"
    return functools.partial(
        tile_losses,
        weights=weights,
        single_label=single_label,
        gamma=config.focal_gamma if focal else 0.0,
        alpha=config.focal_alpha if focal and not single_label else None,
        label_smoothing=config.label_smoothing,
    )


def tile_losses(
    labels: Any,
    logits: Any,
    weights: NDArray[np.float32],
    single_label: bool,
    gamma: float = 0.0,
    alpha: float | None = None,
    label_smoothing: float = 0.0,
) -> Any:
    """Returns the loss of each tile, float32 [n], from labels and logits [n, C].

    With p the predicted probability of the truth, each term of the cross entropy is multiplied by (1 - p) ** gamma
    (focal loss, Lin et al. 2017). In multi-label mode it is also multiplied by alpha if the class is present, else by
    1 - alpha. Smoothed labels are (1 - s) y + s / 2 in multi-label mode and (1 - s) y + s / C in single-label mode.

    Args:
      labels: 1 where the tile has the class, else 0.
      logits: Outputs of the model.
      weights: From class_weights, [C].
      single_label: Whether training is in single-label mode.
      gamma: 0 gives the plain cross entropy.
      alpha: None leaves alpha out.
      label_smoothing: The s above.
    """
    if single_label:
        weight_of_tile = tf.reduce_sum(labels * weights, axis=-1)
        smooth = labels * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
        log_p = tf.nn.log_softmax(logits)
        terms = -smooth * log_p
        if gamma:
            # Kept above 0, where powers below 1 have no finite derivative.
            terms *= tf.maximum(1.0 - tf.exp(log_p), _LEAST_PROBABILITY) ** gamma
        return weight_of_tile * tf.reduce_sum(terms, axis=-1)
    terms = cross_entropy_terms(labels, logits, weights, gamma, alpha, label_smoothing)
    return tf.reduce_mean(terms, axis=-1)


def cross_entropy_terms(
    labels: Any,
    logits: Any,
    weights: NDArray[np.float32],
    gamma: float = 0.0,
    alpha: float | None = None,
    label_smoothing: float = 0.0,
) -> Any:
    """Returns the loss term of each class for itself, float32 [..., C], see tile_losses; labels are in 0..1, [..., C].

    It is linear in the label: the term of a share of pixels is the mean over the pixels.
    """
    present, absent = (alpha, 1.0 - alpha) if alpha is not None else (1.0, 1.0)
    smooth = labels * (1.0 - label_smoothing) + label_smoothing / 2
    # softplus stays accurate for large logits, where log(sigmoid) does not.
    minus_log_p, minus_log_not_p = tf.nn.softplus(-logits), tf.nn.softplus(logits)
    of_present = present * weights * smooth * minus_log_p
    of_absent = absent * (1.0 - smooth) * minus_log_not_p
    if gamma:
        of_present *= tf.exp(-gamma * minus_log_not_p)
        of_absent *= tf.exp(-gamma * minus_log_p)
    return of_present + of_absent


def probabilities(logits: Any, single_label: bool) -> Any:
    """Returns probabilities, float32 [n, C]: independent per class, or with sum 1 in single-label mode."""
    return tf.nn.softmax(logits) if single_label else tf.sigmoid(logits)


def confusion_counts(labels: Any, logits: Any, tile_weights: Any, single_label: bool) -> Any:
    """Returns true positives, false positives and false negatives by class, float32 [3, C].

    A class is predicted if its probability is at least THRESHOLD; in single-label mode, the most probable class is.
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
    """Returns the mean F1 over the classes with tiles, from confusion counts [3, C]; 0 if no class has any."""
    hits, false_positives, false_negatives = counts
    true = hits + false_negatives
    return macro(f1(hits, hits + false_positives, true), true)
