"""The training loop of one worker. All workers run it in lockstep and come to the same results."""

import dataclasses
import datetime
import math
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from components.contracts import EpochMetrics
from components.errors import DataError
from components.progress import log
from components.train import checkpoints, cluster, objective, order, steps
from components.train.checkpoints import TrainingState
from components.train.config import TrainConfig
from components.train.reader import Reader

_PROGRESS_SECONDS = 2.0


class Stopped(Exception):
    """Training was asked to stop, and has written a checkpoint."""


@dataclasses.dataclass(frozen=True)
class Trainee:
    """Everything that the loop works with.

    Attributes:
      checkpoint: tf.train.Checkpoint of model and optimizer.
      checkpoints_uri: Folder of the checkpoints.
      wants_to_stop: Tells whether this worker was asked to stop.
      pat: Called after every step, for the watchdog.
    """

    strategy: Any
    model: Any
    optimizer: Any
    checkpoint: Any
    train_step: steps.TrainStep
    validation_step: steps.ValidationStep
    train_reader: Reader
    val_reader: Reader
    config: TrainConfig
    worker: int
    num_workers: int
    checkpoints_uri: str
    wants_to_stop: Callable[[], bool]
    pat: Callable[[], None]

    @property
    def steps_per_epoch(self) -> int:
        return len(self.train_reader.index) // self.config.global_batch_size


def train(trainee: Trainee, state: TrainingState) -> TrainingState:
    """Trains from `state` to the end, and returns the last state.

    Raises:
      DataError: if the loss is no longer a number, or a record is damaged.
      Stopped: if a worker was asked to stop.
    """
    progress = _Progress(trainee, state)
    for epoch in range(state.epoch, trainee.config.epochs):
        started = time.monotonic()
        first_step = state.step
        state = _train_epoch(trainee, state, progress)
        seconds = max(time.monotonic() - started, 1e-9)
        num_tiles = (state.step - first_step) * trainee.config.global_batch_size
        cluster.average_statistics(trainee.strategy, trainee.model)
        val_loss, val_macro_f1 = _validate(trainee)
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=state.loss_sum / trainee.steps_per_epoch,
            val_loss=val_loss,
            val_macro_f1=val_macro_f1,
            learning_rate=steps.learning_rate(trainee.optimizer),
            seconds=time.monotonic() - started,
            tiles_per_second=num_tiles / seconds,
        )
        state = _next_epoch(state, metrics)
        checkpoints.save(trainee.checkpoints_uri, trainee.checkpoint, state, trainee.worker == 0)
        progress.epoch_done(metrics, is_best=state.best_epoch == epoch)
    return state


def _train_epoch(trainee: Trainee, state: TrainingState, progress: "_Progress") -> TrainingState:
    config = trainee.config
    plan = order.train_plan(
        len(trainee.train_reader.index),
        config.global_batch_size,
        trainee.worker,
        trainee.num_workers,
        config.seed,
        state.epoch,
    )
    for step, batch in trainee.train_reader.batches(plan, state.step):
        loss, num_stop = trainee.train_step(
            batch.image, batch.valid, batch.labels, state.global_step, trainee.wants_to_stop()
        )
        trainee.pat()
        if not math.isfinite(loss):
            raise DataError(
                f"the loss is {loss} at epoch {state.epoch + 1}, step {step + 1}; "
                f"lower learning_rate, which is {config.learning_rate}"
            )
        state = msgspec.structs.replace(
            state, step=step + 1, global_step=state.global_step + 1, loss_sum=state.loss_sum + loss
        )
        progress.step_done(state, loss)
        # Summed over all workers, so that all of them stop after the same step, whoever was asked.
        if num_stop:
            checkpoints.save(trainee.checkpoints_uri, trainee.checkpoint, state, trainee.worker == 0)
            cluster.barrier(trainee.strategy)
            raise Stopped(state.checkpoint)
    return state


def _validate(trainee: Trainee) -> tuple[float, float]:
    """Returns the mean loss per tile and the macro F1 over the val split."""
    reader = trainee.val_reader
    plan = order.evaluation_plan(
        len(reader.index), trainee.config.global_batch_size, trainee.worker, trainee.num_workers
    )
    loss_sum = weight_sum = 0.0
    counts = np.zeros((3, reader.num_classes))
    for _, batch in reader.batches(plan):
        losses, weights, batch_counts = trainee.validation_step(batch.image, batch.valid, batch.labels, batch.weights)
        trainee.pat()
        loss_sum, weight_sum, counts = loss_sum + losses, weight_sum + weights, counts + batch_counts
    loss = loss_sum / weight_sum
    if not math.isfinite(loss):
        raise DataError(f"the validation loss is {loss}; lower learning_rate={trainee.config.learning_rate}")
    return loss, objective.macro_f1(counts)


def _next_epoch(state: TrainingState, metrics: EpochMetrics) -> TrainingState:
    """Returns the state at the start of the next epoch; ties in F1 go to the lower loss, then to the earlier epoch."""
    after = TrainingState(
        epoch=state.epoch + 1,
        global_step=state.global_step,
        best_epoch=state.best_epoch,
        best_checkpoint=state.best_checkpoint,
        history=(*state.history, metrics),
    )
    best = state.history[state.best_epoch] if state.history else None
    if best is None or (metrics.val_macro_f1, -metrics.val_loss) > (best.val_macro_f1, -best.val_loss):
        after = msgspec.structs.replace(after, best_epoch=metrics.epoch, best_checkpoint=after.checkpoint)
    return after


class _Progress:
    """Writes the chief's lines: at most one in two seconds, and one per epoch."""

    def __init__(self, trainee: Trainee, state: TrainingState) -> None:
        self._trainee = trainee
        self._is_chief = trainee.worker == 0
        self._first = state.global_step
        self._started = self._last = time.monotonic()

    def step_done(self, state: TrainingState, loss: float) -> None:
        now = time.monotonic()
        num_done = state.global_step - self._first
        if num_done == 1:
            # The first step compiles; a rate that counts it would be too low for minutes.
            self._started, self._first = now, state.global_step
        elif self._is_chief and now - self._last >= _PROGRESS_SECONDS:
            self._last = now
            per_step = (now - self._started) / num_done
            config, per_epoch = self._trainee.config, self._trainee.steps_per_epoch
            eta = datetime.timedelta(seconds=round((config.epochs * per_epoch - state.global_step) * per_step))
            log(
                "train",
                f"epoch {state.epoch + 1}/{config.epochs} step {state.step}/{per_epoch} loss {loss:.3f}, "
                f"{config.global_batch_size / per_step:,.0f} tiles/s, ETA {eta}",
            )

    def epoch_done(self, metrics: EpochMetrics, is_best: bool) -> None:
        if self._is_chief:
            log(
                "train",
                f"epoch {metrics.epoch + 1}/{self._trainee.config.epochs} done in {metrics.seconds:.1f} s, "
                f"loss {metrics.train_loss:.3f}, val loss {metrics.val_loss:.3f}, "
                f"val macro-F1 {metrics.val_macro_f1:.3f}{' (best)' if is_best else ''}",
            )
