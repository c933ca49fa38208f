"""The loss of a dense head by pixel: a cross entropy of each class for itself, over valid pixels only."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.train.input.cover import classes_of, valid_of
from components.train.input.xla import compiled
from components.train.settings.config import TrainConfig
from components.train.step.objective import cross_entropy_terms


@dataclasses.dataclass(frozen=True)
class DenseLoss:
    """The loss of maps, by tile.

    The pixels of a cell share its logit, so their mean cross entropy is that of the cell for a soft target: the share
    of its valid pixels that have the class. Cells count by their valid pixels, and tiles all the same, however much of
    a tile is valid: then the parts of a batch add up to the same whatever worker has them.

    Attributes:
      class_weights: As for the loss by tile, [C].
      weight: Factor of the loss.
      gamma, alpha, label_smoothing: As in objective.tile_losses.
    """

    class_weights: NDArray[np.float32]
    weight: float = 1.0
    gamma: float = 0.0
    alpha: float | None = None
    label_smoothing: float = 0.0

    @classmethod
    def of(cls, config: TrainConfig, class_weights: NDArray[np.float32]) -> "DenseLoss":
        """Returns the loss that the configuration asks for."""
        focal = config.loss == "focal"
        return cls(
            class_weights,
            config.dense_loss_weight,
            config.focal_gamma if focal else 0.0,
            config.focal_alpha if focal else None,
            config.label_smoothing,
        )

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_weights)

    def __call__(self, cover: Any, maps: Any) -> Any:
        """Returns the loss of each tile, float32 [n]; 0 for a tile without a valid pixel.

        Args:
          cover: See cover.py, uint8 [n, S, S, P].
          maps: Logits, float32 [n, h, w, C]; S is a multiple of h and w.
        """
        counts = compiled(cell_counts)(cover, self.num_classes, *maps.shape[1:3])  # [n, h, w, 1 + C]
        valid, of_class = counts[..., :1], counts[..., 1:]
        targets = of_class / tf.maximum(valid, 1.0)
        terms = cross_entropy_terms(
            targets, maps, self.class_weights, self.gamma, self.alpha, self.label_smoothing
        )  # [n, h, w, C]
        of_cells = tf.reduce_mean(terms, axis=-1) * valid[..., 0]
        of_tiles = tf.reduce_sum(of_cells, axis=(1, 2)) / tf.maximum(tf.reduce_sum(valid, axis=(1, 2, 3)), 1.0)
        return self.weight * of_tiles


def cell_counts(cover: Any, num_classes: int, height: int, width: int) -> Any:
    """Returns the valid pixels of each cell, and those of them that have each class, float32 [n, h, w, 1 + C]."""
    size = cover.shape[1]
    valid = tf.transpose(valid_of(cover), [0, 3, 1, 2])  # [n, 1, S, S]
    planes = tf.concat([valid, tf.bitwise.bitwise_and(valid, classes_of(cover, num_classes))], axis=1)
    in_cells = tf.reshape(planes, [-1, 1 + num_classes, height, size // height, width, size // width])
    counts = tf.reduce_sum(tf.cast(in_cells, tf.float32), axis=(3, 5))  # exact: whole numbers
    return tf.transpose(counts, [0, 2, 3, 1])
