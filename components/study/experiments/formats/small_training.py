"""The training that all arms share: the small network, one step for each batch, and where its time goes."""

import dataclasses
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.study.arms.arm import Arm
from components.study.experiments.formats.arm_inputs import ArmInput
from components.train.model.model import backbone_of, build_model
from components.train.step.optimizer import Optimizer
from components.train.step.schedule import peak_rate


@dataclasses.dataclass(frozen=True)
class StepSeen:
    """What went into a step, and its loss; pixels as the network sees them, float32 [B, S, S, 3] in 0..1."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]
    loss: float


class SmallTraining:
    """A network in training.

    Attributes:
      waiting_seconds: Time of the last epochs in which the step waited for its batch.
    """

    def __init__(self, arm: Arm, inputs: ArmInput, num_classes: int) -> None:
        config = arm.training.config
        self._config, self._inputs = config, inputs
        self._strategy = _strategy(arm)
        self.waiting_seconds = 0.0
        keras.utils.set_random_seed(config.seed)
        with self._strategy.scope():
            even = [0.5] * 3  # pixels come scaled, so the model's own preprocessing is left out
            self._model = build_model(config.backbone, config.image_size_px, num_classes, even, even)
            self._optimizer = Optimizer(config, self._model.trainable_variables)
        self._rate = tf.constant(peak_rate(config), tf.float32)
        self._step = tf.function(self._on_all, autograph=False)

    def weights(self) -> list[tuple[str, NDArray[Any]]]:
        """Returns the weights by name."""
        return [(variable.path, np.asarray(variable.numpy())) for variable in self._model.variables]

    def epochs(self) -> float:
        """Trains for the arm's epochs, and returns the seconds of one."""
        self.waiting_seconds = 0.0
        start = time.perf_counter()
        for _ in range(self._config.epochs):
            batches = self._inputs.epoch()
            while (batch := self._next(batches)) is not None:
                self._step(*batch).numpy()
        return (time.perf_counter() - start) / self._config.epochs

    def watched_epochs(self) -> "list[StepSeen]":
        """Trains for the arm's epochs, and returns what went into each step."""
        scale = np.float32(self._inputs.scale)
        seen = []
        for _ in range(self._config.epochs):
            for images, labels in self._inputs.epoch():
                # Before the step, because a reader may use the memory of a batch again.
                pixels = images.numpy().astype(np.float32) * scale
                ids = labels.numpy().astype(np.int64)
                seen.append(StepSeen(pixels, ids, float(self._step(images, labels).numpy())))
        return seen

    def _next(self, batches: Any) -> Any:
        start = time.perf_counter()
        batch = next(batches, None)
        self.waiting_seconds += time.perf_counter() - start
        return batch

    def _on_all(self, images: Any, labels: Any) -> Any:
        share = self._strategy.run(self._on_replica, (images, labels))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, share, axis=None)

    def _on_replica(self, images: Any, labels: Any) -> Any:
        pixels = tf.cast(images, tf.float32) * self._inputs.scale
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            logits = self._model.get_layer("logits")(backbone_of(self._model)(pixels, training=True))
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
            scaled = self._optimizer.scaled(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        self._optimizer.apply(gradients, variables, self._rate)
        return loss


def _strategy(arm: Arm) -> Any:
    """Returns the arm's strategy; "one_device" is what TensorFlow does if it is told of none."""
    if arm.training.strategy == "mirrored":
        return tf.distribute.MirroredStrategy([f"/{arm.place.device}:0"])
    return tf.distribute.get_strategy()
