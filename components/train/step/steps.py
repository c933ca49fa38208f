"""The two functions that run on every replica in lockstep: training steps and a validation step."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.train.input.cover import valid_of
from components.train.input.reader import Batch
from components.train.peers.distribution import num_local_replicas, share_out
from components.train.settings.config import TrainConfig
from components.train.step import objective
from components.train.step.augment import Augmentation, augment
from components.train.step.dense_loss import DenseLoss
from components.train.step.objective import Loss
from components.train.step.optimizer import Optimizer
from components.train.step.overlap_counts import from_words, overlap_counts, to_words
from components.train.step.schedule import learning_rate
from components.train.step.weight_average import WeightAverage


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What a worker wants to happen after a call; summed over all workers, so that all of them act on any wish."""

    stop: float = 0.0  # asked to stop by SIGTERM
    finish: float = 0.0  # time is up
    save: float = 0.0  # a checkpoint is due
    steps: float = 0.0  # how many steps the next call is to take; only the chief wishes, so the sum is its number


# (batches, global step of the first, own wishes) -> losses of the global batches, wishes of all workers
TrainSteps = Callable[[Sequence[Batch], int, Wishes], tuple[list[float], Wishes]]
# (batch, own wish to stop) -> what was found over all workers
ValidationStep = Callable[[Batch, float], "Validated"]
# image, cover, labels, positions in the global batch, global step, learning rate -> this replica's share of the loss
ReplicaStep = Callable[[Any, Any, Any, Any, Any, Any], Any]


@dataclasses.dataclass(frozen=True)
class Validated:
    """What validation found, of a batch or of several, over all workers.

    Attributes:
      loss_sum, weight_sum: Sums over the tiles.
      counts: From objective.confusion_counts, [3, C].
      overlap: The sum of the tiles' M of a dense head, see components/scoring/overlap_iou.py, [C + 1, C + 1]; zeros if
        the head is none.
      stops: How many workers want to stop.
    """

    loss_sum: float
    weight_sum: float
    counts: NDArray[np.float64]
    overlap: NDArray[np.int64]
    stops: float = 0.0

    def __add__(self, other: "Validated") -> "Validated":
        return Validated(
            self.loss_sum + other.loss_sum,
            self.weight_sum + other.weight_sum,
            self.counts + other.counts,
            self.overlap + other.overlap,
            self.stops + other.stops,
        )


def make_replica_step(
    model: Any,
    optimizer: Optimizer,
    average: WeightAverage | None,
    config: TrainConfig,
    loss: Loss,
    num_tiles: int,
    rate_factor: Callable[[Any], float] = lambda variable: 1.0,
    dense: DenseLoss | None = None,
) -> ReplicaStep:
    """Returns one replica's part of a training step. Call it in the replica's context, in a graph.

    Args:
      model: keras.Model of build_model.
      optimizer: Updates the model's weights.
      average: Average of the weights to update; None for none.
      config: The model's tuning.
      loss: The loss.
      num_tiles: Tiles over all replicas whose gradients are summed.
      rate_factor: Returns a trainable variable's factor on the learning rate; a variable with 0 is not trained.
      dense: The loss of a dense head's maps; None for the head "tile".
    """
    how = Augmentation.of(config)
    factors = {id(variable): rate_factor(variable) for variable in model.trainable_variables}
    variables = [variable for variable in model.trainable_variables if factors[id(variable)] > 0]

    def step(image: Any, cover: Any, labels: Any, positions: Any, global_step: Any, rate: Any) -> Any:
        image, cover = augment(image, cover, how, config.seed, global_step, positions, config.global_batch_size)
        with tf.xla.experimental.jit_scope() if config.xla else contextlib.nullcontext():
            with tf.GradientTape() as tape:
                losses, _, _ = _losses(model, loss, dense, image, cover, labels, training=True)
                # This replica's share of the mean, since the optimizer sums the replicas' gradients.
                share = tf.reduce_sum(losses) / num_tiles
                scaled = optimizer.scaled(share)
            gradients = tape.gradient(scaled, [variable.value for variable in variables])
        optimizer.apply(gradients, variables, rate, [factors[id(variable)] for variable in variables])
        if average is not None:
            average.update()
        return share

    return step


def _losses(
    model: Any, loss: Loss, dense: DenseLoss | None, image: Any, cover: Any, labels: Any, training: bool
) -> tuple[Any, Any, Any]:
    """Returns the losses of tiles, [n], their logits, [n, C], and, of a dense head, their maps, [n, h, w, C]."""
    if dense is None:
        logits = model([image, cover], training=training)
        return loss(labels, logits), logits, None
    logits, maps = model([image, valid_of(cover)], training=training)
    return loss(labels, logits) + dense(cover, maps), logits, maps


def make_train_steps(
    strategy: Any,
    model: Any,
    optimizer: Optimizer,
    average: WeightAverage | None,
    config: TrainConfig,
    loss: Loss,
    positions: NDArray[np.int32],
    num_steps: int,
    rate_factor: Callable[[Any], float] = lambda variable: 1.0,
    dense: DenseLoss | None = None,
) -> TrainSteps:
    """Returns a function that takes one training step per batch, all in one call of the device.

    Args:
      strategy: The tf.distribute strategy.
      model: keras.Model of build_model.
      optimizer: Updates the model's weights.
      average: Average of the weights to update; None for none.
      config: The model's tuning.
      loss: The loss.
      positions: Positions of this worker's tiles in the global batch, [n].
      num_steps: Steps of the whole training, for the learning rate's schedule.
      rate_factor: Returns a trainable variable's factor on the learning rate; a variable with 0 is not trained.
      dense: The loss of a dense head's maps; None for the head "tile".
    """
    take_step = make_replica_step(model, optimizer, average, config, loss, config.global_batch_size, rate_factor, dense)
    num_local = num_local_replicas(strategy, config.global_batch_size // len(positions))

    def on_replica(image: Any, cover: Any, labels: Any, places: Any, global_step: Any, rate: Any, wishes: Any) -> Any:
        share = take_step(image, cover, labels, places, global_step, rate)
        return tf.concat([share[tf.newaxis], wishes], axis=0)

    def on_all(tensors: Sequence[Any], *args: Any) -> Any:
        # Joined and unpacked in here: each call of its own would wait for a thread to be free.
        batch = Batch.of_tensors(tensors, config.is_dense)
        tiles = share_out(strategy, num_local, batch.image, batch.cover, batch.labels, tf.constant(positions))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(on_replica, (*tiles, *args)), axis=None)

    def one_step(global_step: Any, rates: Any, wishes: Any, *tensors: Any) -> Any:
        return on_all(tensors, global_step, rates[0], wishes)[tf.newaxis]  # [1, 5]

    def many_steps(global_step: Any, rates: Any, wishes: Any, *tensors: Any) -> Any:
        num_steps = tf.shape(rates)[0]

        def take(number: Any, results: Any) -> Any:
            step = global_step + tf.cast(number, tf.int64)
            result = on_all([tensor[number] for tensor in tensors], step, rates[number], wishes)
            return number + 1, results.write(number, result)

        start = tf.constant(0), tf.TensorArray(tf.float32, num_steps)
        _, results = tf.while_loop(lambda number, results: number < num_steps, take, start)
        return results.stack()  # [k, 5]

    # A loop takes a fifth longer to compile, so there is none until a call has several steps. From then on it also
    # takes single ones. All workers take equally many steps, so all of them compile the same at the same call. XLA
    # may round two programs differently, so it has one from the start: weights must not depend on when calls grow.
    single, loop = _compiled_once(one_step), _compiled_once(many_steps, any_length=True)
    compiled = loop if config.steps_per_call > 1 or config.xla else single

    def take_steps(batches: Sequence[Batch], global_step: int, wishes: Wishes) -> tuple[list[float], Wishes]:
        nonlocal compiled
        if len(batches) > 1:
            compiled = loop
        rates = [learning_rate(config, global_step + number, num_steps) for number in range(len(batches))]
        tensors = batches[0].tensors
        if compiled is loop:
            tensors = tuple(tf.stack(of_steps) for of_steps in zip(*(batch.tensors for batch in batches), strict=True))
        now = tf.constant(global_step, tf.int64)
        wanted = tf.constant(dataclasses.astuple(wishes))
        results = compiled(now, tf.constant(rates), wanted, *tensors).numpy()
        heard = Wishes(*results[-1, 1:].tolist())
        # Each of a worker's replicas has added the worker's wishes.
        return results[:, 0].tolist(), dataclasses.replace(heard, steps=heard.steps / num_local)

    return take_steps


def _compiled_once(function: Callable[..., Any], *, any_length: bool = False) -> Callable[..., Any]:
    """Returns the function, compiled once for the shapes of its first call.

    Args:
      function: From tensors to a tensor.
      any_length: Whether the first dimension of its arguments may vary later.
    """
    compiled: list[Any] = []

    def call(*tensors: Any) -> Any:
        if not compiled:
            specs = [
                tf.TensorSpec(
                    [None, *tensor.shape[1:]] if any_length and tensor.shape.rank else tensor.shape, tensor.dtype
                )
                for tensor in tensors
            ]
            # AutoGraph would rewrite all Python code called here, which takes twice as long as the rest of tracing; no
            # code here branches or loops on the value of a tensor.
            traced = tf.function(function, input_signature=specs, autograph=False)
            # Called directly: choosing among traces takes longer than starting the only one.
            compiled.append(traced.get_concrete_function())
        return compiled[0](*tensors)

    return call


def make_validation_step(
    strategy: Any,
    model: Any,
    loss: Loss,
    num_classes: int,
    single_label: bool,
    num_workers: int = 1,
    dense: DenseLoss | None = None,
) -> ValidationStep:
    """Returns a function that validates one batch on all replicas; `dense` as of make_replica_step."""
    num_local = num_local_replicas(strategy, num_workers)

    def on_replica(image: Any, cover: Any, labels: Any, weights: Any, stop: Any) -> Any:
        losses, logits, maps = _losses(model, loss, dense, image, cover, labels, training=False)
        counts = objective.confusion_counts(labels, logits, weights, single_label)
        sums = tf.stack([tf.reduce_sum(losses * weights), tf.reduce_sum(weights), stop])
        found = [sums, tf.reshape(counts, [-1])]
        if dense is not None:
            of_tiles = overlap_counts(cover, maps, num_classes) * tf.cast(weights, tf.int32)[:, tf.newaxis, tf.newaxis]
            found.append(to_words(tf.reduce_sum(of_tiles, axis=0)))
        return tf.concat(found, axis=0)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def on_all(stop: Any, weights: Any, *tensors: Any) -> Any:
        batch = Batch.of_tensors(tensors, dense is not None)
        tiles = share_out(strategy, num_local, batch.image, batch.cover, batch.labels, weights)
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(on_replica, (*tiles, stop)), axis=None)

    def step(batch: Batch, stop: float) -> Validated:
        sums = on_all(tf.constant(stop, tf.float32), tf.constant(batch.weights), *batch.tensors)
        loss_sum, weight_sum, stops, *counts = sums.numpy().tolist()
        of_tiles, of_pixels = counts[: 3 * num_classes], counts[3 * num_classes :]
        overlap = from_words(np.array(of_pixels)) if of_pixels else np.zeros((num_classes + 1,) * 2, np.int64)
        return Validated(loss_sum, weight_sum, np.reshape(of_tiles, (3, num_classes)), overlap, stops)

    return step
