"""The training loop of one worker. All workers run it in lockstep and come to the same results."""

import contextlib
import itertools
import math
import time

import msgspec
import numpy as np

from components.contracts import EpochMetrics
from components.errors import DataError
from components.train import checkpoints, cluster, objective, order
from components.train.checkpoints import TrainingState
from components.train.early_stopping import is_better, should_stop
from components.train.progress_lines import ProgressLines
from components.train.schedule import learning_rate
from components.train.spec import ENDED_EARLY, ENDED_OUT_OF_TIME, ENDED_WITH_EPOCHS
from components.train.trainee import Trainee


class Stopped(Exception):
    """Training was asked to stop, and has written a checkpoint."""


def train(trainee: Trainee, state: TrainingState) -> tuple[TrainingState, str]:
    """Trains from `state` to the end, and returns the last state and what ended it, one of spec.ENDED_*.

    Raises:
      DataError: if the loss is no longer a number, or a record is damaged.
      Stopped: if a worker was asked to stop.
    """
    config = trainee.config
    progress = ProgressLines(trainee, state)
    while state.epoch < config.epochs:
        if should_stop(state.history, config.early_stopping_patience, config.early_stopping_min_delta):
            return state, ENDED_EARLY
        # A budget that was spent before the first step still gets one, or there would be no model.
        is_limited = trainee.budget.max_seconds > 0
        if is_limited and state.global_step and cluster.add_up(trainee.strategy, trainee.wishes().finish):
            return _finish_within_epoch(trainee, state, progress, 0.0), ENDED_OUT_OF_TIME
        started, first_step = time.monotonic(), state.step
        state, is_complete = _train_epoch(trainee, state, progress)
        num_tiles = (state.step - first_step) * config.global_batch_size
        tiles_per_second = num_tiles / max(time.monotonic() - started, 1e-9)
        if not is_complete:
            return _finish_within_epoch(trainee, state, progress, tiles_per_second), ENDED_OUT_OF_TIME
        cluster.average_statistics(trainee.strategy, trainee.model)
        metrics = _measure(trainee, state, started, tiles_per_second)
        state = _next_epoch(state, metrics)
        _save(trainee, state)
        progress.epoch_done(metrics, is_best=state.best_epoch == metrics.epoch)
    return state, ENDED_WITH_EPOCHS


def _train_epoch(trainee: Trainee, state: TrainingState, progress: ProgressLines) -> tuple[TrainingState, bool]:
    """Trains to the epoch's end, or until time is up; returns whether it got to the end."""
    config = trainee.config
    plan = order.train_plan(
        len(trainee.train_reader.index),
        config.global_batch_size,
        trainee.worker,
        trainee.num_workers,
        config.seed,
        state.epoch,
        trainee.sampling_weights,
    )
    batches = trainee.train_reader.batches(plan, state.step)
    while group := [batch for _, batch in itertools.islice(batches, config.steps_per_call)]:
        losses, wishes = trainee.train_steps(group, state.global_step, trainee.wishes())
        trainee.pat()
        for loss in losses:
            if not math.isfinite(loss):
                raise DataError(
                    f"the loss is {loss} at epoch {state.epoch + 1}, step {state.step + 1}; "
                    f"lower learning_rate, which is {config.learning_rate}"
                )
            state = msgspec.structs.replace(
                state, step=state.step + 1, global_step=state.global_step + 1, loss_sum=state.loss_sum + loss
            )
        progress.steps_done(state, losses[-1])
        # Added up over all workers, so that all of them stop after the same step, whoever was asked.
        if wishes.stop:
            state = _save(trainee, state)
            cluster.barrier(trainee.strategy)
            raise Stopped(state.checkpoint)
        if wishes.finish and state.step < len(plan):
            return state, False
    return state, True


def _finish_within_epoch(
    trainee: Trainee, state: TrainingState, progress: ProgressLines, tiles_per_second: float
) -> TrainingState:
    """Returns the state to export from, where time is up: what was learned of this epoch counts if it is better."""
    if state.step == 0:
        return state
    progress.out_of_time(state)
    cluster.average_statistics(trainee.strategy, trainee.model)
    state = _save(trainee, state)
    metrics = _measure(trainee, state, time.monotonic(), tiles_per_second)
    ended = msgspec.structs.replace(state, history=(*state.history, metrics))
    if is_best := is_better(metrics, state.best):
        ended = msgspec.structs.replace(ended, best_epoch=state.epoch, best_checkpoint=state.checkpoint)
    progress.epoch_done(metrics, is_best)
    return ended


def _measure(trainee: Trainee, state: TrainingState, started: float, tiles_per_second: float) -> EpochMetrics:
    """Validates, and returns the point of the learning curve."""
    validation_started = time.monotonic()
    with trainee.average.in_model() if trainee.average else contextlib.nullcontext():
        val_loss, val_macro_f1 = _validate(trainee)
    trainee.budget.reserve = time.monotonic() - validation_started
    return EpochMetrics(
        epoch=state.epoch,
        train_loss=state.loss_sum / state.step,
        val_loss=val_loss,
        val_macro_f1=val_macro_f1,
        learning_rate=learning_rate(trainee.config, state.global_step, trainee.num_steps),
        seconds=time.monotonic() - started,
        tiles_per_second=tiles_per_second,
    )


def _save(trainee: Trainee, state: TrainingState) -> TrainingState:
    state = msgspec.structs.replace(state, seconds=trainee.budget.spent())
    checkpoints.save(trainee.checkpoints_uri, trainee.checkpoint, state, trainee.worker == 0)
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
        losses, weights, batch_counts = trainee.validation_step(batch)
        trainee.pat()
        loss_sum, weight_sum, counts = loss_sum + losses, weight_sum + weights, counts + batch_counts
    loss = loss_sum / weight_sum
    if not math.isfinite(loss):
        raise DataError(f"the validation loss is {loss}; lower learning_rate={trainee.config.learning_rate}")
    return loss, objective.macro_f1(counts)


def _next_epoch(state: TrainingState, metrics: EpochMetrics) -> TrainingState:
    """Returns the state at the start of the next epoch."""
    after = TrainingState(
        epoch=state.epoch + 1,
        global_step=state.global_step,
        best_epoch=state.best_epoch,
        best_checkpoint=state.best_checkpoint,
        history=(*state.history, metrics),
    )
    if is_better(metrics, state.best):
        after = msgspec.structs.replace(after, best_epoch=metrics.epoch, best_checkpoint=after.checkpoint)
    return after
