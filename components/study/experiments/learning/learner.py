"""A network that trains again and again from drawn weights, without being built and traced anew each time.

Batch normalisation can be held at mean 0 and variance 1. A tile's gradient then does not depend on the tiles beside it,
so that gradients of parts of a batch average to that of the whole, exactly but for rounding.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.study.experiments.learning.tiles import CLASSES, SplitTiles, TileSet
from components.train.model.model import build_model
from components.train.settings.config import TrainConfig
from components.train.step.augment import Augmentation, augment
from components.train.step.objective import confusion_counts, macro_f1
from components.train.step.optimizer import Optimizer

_EVALUATED_AT_ONCE = 64  # tiles
_MOST_STEPS = 1 << 24  # of a training, so that no two trainings draw the same augmentation
_NUM_BANDS = {"rgb": 3, "rgb_nir": 4, "auto": 4}


@dataclasses.dataclass(frozen=True)
class Score:
    """What a network makes of a split.

    Attributes:
      loss: Mean cross-entropy, in units of the natural logarithm; infinite if the training diverged.
      macro_f1, accuracy: Of the most probable class of each tile; 0 if it diverged, whose answers are no numbers.
    """

    loss: float
    macro_f1: float
    accuracy: float


class Learner:
    """One network on one set of tiles; `start` makes it new.

    Attributes:
      variables: All that is trained, keras variables.
    """

    def __init__(self, tiles: TileSet, config: TrainConfig, *, holds_batch_norm: bool) -> None:
        """Builds the network.

        Args:
          config: What counts of it is the network and the augmentation; rates and batches may change with each start.
          holds_batch_norm: Whether batch normalisation stays at mean 0 and variance 1.
        """
        self._tiles, self._num_bands = tiles, _NUM_BANDS[config.bands]
        mean, std = tiles.statistics(self._num_bands)
        self.model = build_model(config.backbone, tiles.image_size_px, len(CLASSES), mean, std)
        self.variables = self.model.trainable_variables
        self._built_with = [variable.numpy() for variable in self.model.variables]
        self._optimizers: dict[tuple[object, ...], tuple[Optimizer, Any]] = {}
        self._how, self._is_training = Augmentation.of(config), not holds_batch_norm
        self._gradient = tf.function(self._of_batch, reduce_retracing=True)
        self._evaluate = tf.function(self._of_split, reduce_retracing=True)

    def start(self, seed: int) -> None:
        """Draws new weights: kernels as Glorot and Bengio 2010 (uniform), all else as built."""
        for variable, value in zip(self.model.variables, self._built_with, strict=True):
            variable.assign(value)
        for place, variable in enumerate(self.variables):
            if len(variable.shape) > 1:
                rng = np.random.default_rng([seed, place])
                variable.assign(_glorot(rng, variable.shape))

    def weights(self) -> list[tuple[str, NDArray[Any]]]:
        """Returns the trained weights by path."""
        return [(variable.path, variable.numpy()) for variable in self.variables]

    def gradient(self, rows: NDArray[np.int64], step: int, config: TrainConfig) -> tuple[Any, list[Any]]:
        """Returns the mean loss of these tiles of the train split, float32 [], and its gradient by variable.

        Args:
          rows: Places of the tiles in the split.
          step: Number of the step, which augmentation draws from.
          config: Its seed is that of the augmentation.
        """
        train = self._tiles.splits["train"]
        draw = tf.constant(config.seed * _MOST_STEPS + step, tf.int64)
        images = tf.constant(train.image[rows][..., : self._num_bands])
        loss, gradients = self._gradient(images, tf.constant(train.cover[rows]), tf.constant(train.labels[rows]), draw)
        return loss, list(gradients)

    def batch(self, rows: NDArray[np.int64]) -> tuple[list[str], NDArray[np.uint8], NDArray[np.float32]]:
        """Returns names, pixels [n, S, S, B] and labels [n, C] of tiles of the train split."""
        train = self._tiles.splits["train"]
        return [train.names[row] for row in rows], train.image[rows][..., : self._num_bands], train.labels[rows]

    def make_update(self, config: TrainConfig) -> Any:
        """Returns a function of gradients by variable and of a rate that updates the weights, with a new state."""
        key = (config.optimizer, config.momentum, config.nesterov, config.weight_decay, config.clip_norm)
        if key not in self._optimizers:
            optimizer = Optimizer(config, self.variables)
            self._optimizers[key] = (
                optimizer,
                tf.function(lambda gradients, rate: optimizer.apply(gradients, self.variables, rate)),
            )
        optimizer, apply = self._optimizers[key]
        for slot in [*(slot for slots in optimizer.slots for slot in slots), optimizer.num_updates]:
            slot.assign(tf.zeros_like(slot))
        return lambda gradients, rate: apply(list(gradients), tf.constant(rate, tf.float32))

    def score(self, split: str) -> Score:
        """Returns what the network makes of a split, without augmentation."""
        tiles = self._tiles.splits[split]
        loss, hits, counts = 0.0, 0.0, np.zeros((3, len(CLASSES)))
        for first in range(0, len(tiles), _EVALUATED_AT_ONCE):
            part = _part(tiles, slice(first, first + _EVALUATED_AT_ONCE), self._num_bands)
            losses, found = self._evaluate(*part)
            loss += float(losses)
            counts += found.numpy()
            hits += float(found.numpy()[0].sum())
        if not math.isfinite(loss):
            return Score(math.inf, 0.0, 0.0)
        return Score(loss / len(tiles), macro_f1(counts), hits / len(tiles))

    def _of_batch(self, image: Any, cover: Any, labels: Any, draw: Any) -> Any:
        if self._how != Augmentation():
            num_tiles = image.shape[0]
            image, cover = augment(image, cover, self._how, 0, draw, tf.range(num_tiles), num_tiles)
        with tf.GradientTape() as tape:
            logits = self.model([image, cover], training=self._is_training)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))
        return loss, tape.gradient(loss, [variable.value for variable in self.variables])

    def _of_split(self, image: Any, cover: Any, labels: Any) -> Any:
        logits = self.model([image, cover], training=False)
        losses = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_sum(losses), confusion_counts(labels, logits, tf.ones_like(losses), True)


def mean_gradient(parts: Sequence[list[Any]]) -> list[Any]:
    """Returns the mean of gradients that have equal numbers of tiles, by variable."""
    return [tf.add_n(same) / len(parts) for same in zip(*parts, strict=True)]


def _part(tiles: SplitTiles, rows: slice, num_bands: int) -> tuple[Any, Any, Any]:
    images = tf.constant(tiles.image[rows][..., :num_bands])
    return images, tf.constant(tiles.cover[rows]), tf.constant(tiles.labels[rows])


def _glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    area = math.prod(shape[:-2])
    limit = math.sqrt(6 / (area * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
