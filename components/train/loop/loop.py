"""The training loop of one worker. All workers run it in lockstep and get the same results."""

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Iterator

import msgspec

from components.contracts import EpochMetrics
from components.errors import DataError
from components.scoring.overlap_iou import mean_iou
from components.train.checkpoint.checkpoints import TrainingState
from components.train.input import order
from components.train.input.reader import Batch
from components.train.loop import unfreezing
from components.train.loop.observers import Observers
from components.train.loop.pace import LIMITS, Pace
from components.train.loop.step_clock import LoopTime, StepClock
from components.train.loop.trainee import Trainee
from components.train.loop.when_to_end import is_better, should_stop
from components.train.peers import cluster
from components.train.settings.worker_spec import ENDED_EARLY, ENDED_WITH_EPOCHS
from components.train.step import objective
from components.train.step.schedule import learning_rate
from components.train.step.steps import Validated

_MAX_NAMES = 64  # tile names per message


class Stopped(Exception):
    """Training was asked to stop, and has written a checkpoint."""


def run_epochs(trainee: Trainee, state: TrainingState) -> tuple[TrainingState, str]:
    """Trains from `state` to the end; returns the last state and why training ended, one of worker_spec.ENDED_*.

    Raises:
      DataError: If the loss is no longer finite, or a record is damaged.
      Stopped: If a worker was asked to stop.
    """
    config = trainee.config
    observers = Observers(trainee, state)
    pace = Pace(trainee.steps_per_call, trainee.worker == 0, LIMITS)
    while state.epoch < config.epochs:
        if should_stop(state.history, config.early_stopping_patience, config.early_stopping_min_delta):
            return state, ENDED_EARLY
        wishes = trainee.wishes_of_all()
        if wishes.stop:
            raise _stop(trainee, state)
        # Even if time was up before the first step, that step is taken, or there would be no model.
        if wishes.finish and state.global_step:
            return _finish_within_epoch(trainee, state, observers, LoopTime()), trainee.budget.limit
        started = time.monotonic()
        state, is_complete = _train_epoch(trainee, state, observers, pace)
        if not is_complete:
            ended_by = trainee.budget.limit
            return _finish_within_epoch(trainee, state, observers, observers.epoch_time), ended_by
        trainee.settle()
        metrics = _measure(trainee, state, started, observers.epoch_time)
        state = _next_epoch(state, metrics)
        _save(trainee, state)
        observers.epoch_done(metrics, is_best=state.best_epoch == metrics.epoch)
    return state, ENDED_WITH_EPOCHS


def _train_epoch(
    trainee: Trainee, state: TrainingState, observers: Observers, pace: Pace
) -> tuple[TrainingState, bool]:
    """Trains to the epoch's end, or until time is up; returns the state and whether the epoch is complete."""
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
    if state.step == len(plan):  # training was stopped during the epoch's validation
        return state, True
    batches = trainee.train_reader.batches(plan, state.step, lambda: pace.steps)
    compiles = unfreezing.begins_stage(config, state.epoch)
    observers.epoch_begins(compiles=compiles)
    pace.epoch_begins(compiles=compiles)
    while group := _next_group(batches, observers.clock, pace):
        steps_left = unfreezing.steps_left_in_stage(config, len(plan), state.epoch, state.step)
        wanted = pace.wanted(group, observers.clock, steps_left)
        own_wishes = dataclasses.replace(trainee.wishes(), steps=float(wanted))
        losses, wishes = trainee.train_steps(group, state.global_step, own_wishes)
        pace.heard(wishes.steps)
        trainee.pat()
        trainee.writer.check()
        for loss in losses:
            if not math.isfinite(loss):
                raise DataError(
                    f"the loss is {loss} at epoch {state.epoch + 1}, step {state.step + 1}; "
                    f"lower learning_rate, which is {config.learning_rate}; the batch was {_tiles(trainee, state)}"
                )
            state = msgspec.structs.replace(
                state, step=state.step + 1, global_step=state.global_step + 1, loss_sum=state.loss_sum + loss
            )
        observers.steps_done(state, losses)
        trainee.expect_end(observers.clock)
        # Wishes are summed over all workers, so that all stop after the same step, whichever was asked.
        if wishes.stop:
            raise _stop(trainee, state)
        if wishes.finish and state.step < len(plan):
            return state, False
        if wishes.save and state.step < len(plan):  # the epoch's end is saved anyway
            _save(trainee, state)
    return state, True


def _next_group(batches: Iterator[tuple[int, Batch]], clock: StepClock, pace: Pace) -> list[Batch]:
    """Returns the batches of the next call, as many as are left of them."""
    with clock.waiting():
        group = [batch for _, batch in itertools.islice(batches, pace.steps)]
    if pace.compiles(len(group)):
        clock.expect_compiling()
    return group


def _finish_within_epoch(
    trainee: Trainee, state: TrainingState, observers: Observers, epoch_time: LoopTime
) -> TrainingState:
    """Returns the state to export when time is up: this epoch's weights count if they are the best so far."""
    if state.step == 0:
        return state
    observers.out_of_time(state)
    trainee.settle()
    state = _save(trainee, state)
    metrics = _measure(trainee, state, time.monotonic(), epoch_time)
    ended = msgspec.structs.replace(state, history=(*state.history, metrics))
    if is_best := is_better(metrics, state.best):
        ended = msgspec.structs.replace(ended, best_epoch=state.epoch, best_checkpoint=state.checkpoint)
    observers.epoch_done(metrics, is_best)
    return ended


def _measure(trainee: Trainee, state: TrainingState, started: float, epoch_time: LoopTime) -> EpochMetrics:
    """Validates, and returns the epoch's metrics.

    Raises:
      Stopped: If a worker was asked to stop.
    """
    validation_started = time.monotonic()
    with trainee.average.in_model() if trainee.average else contextlib.nullcontext():
        validated = _validate(trainee)
    if validated is None:
        raise _stop(trainee, state)
    trainee.budget.validated(time.monotonic() - validation_started)
    return EpochMetrics(
        epoch=state.epoch,
        train_loss=state.loss_sum / state.step,
        val_loss=validated.loss_sum / validated.weight_sum,
        val_macro_f1=objective.macro_f1(validated.counts),
        val_mean_iou=mean_iou(validated.overlap) if trainee.config.is_dense else None,
        learning_rate=learning_rate(trainee.config, state.global_step, trainee.num_steps),
        seconds=time.monotonic() - started,
        tiles_per_second=epoch_time.steps_per_second * trainee.config.global_batch_size,
        # In lockstep, all wait for the slowest.
        input_wait_share=max(cluster.gather(trainee.strategy, epoch_time.input_wait_share)),
    )


def _save(trainee: Trainee, state: TrainingState) -> TrainingState:
    started = time.monotonic()
    trainee.check_agreement(state.global_step)
    state = msgspec.structs.replace(state, seconds=trainee.budget.spent())
    trainee.writer.save(state, started)
    return state


def _stop(trainee: Trainee, state: TrainingState) -> Stopped:
    """Writes a checkpoint, and returns the exception that ends training on all workers."""
    state = _save(trainee, state)
    trainee.writer.wait()
    cluster.barrier(trainee.strategy)
    return Stopped(state.checkpoint)


def _tiles(trainee: Trainee, state: TrainingState) -> str:
    """Returns the names of the tiles in the global batch of the next step."""
    config, reader = trainee.config, trainee.train_reader
    plan = order.train_plan(
        len(reader.index), config.global_batch_size, 0, 1, config.seed, state.epoch, trainee.sampling_weights
    )
    names = reader.tile_ids(plan[state.step][:_MAX_NAMES])
    more = config.global_batch_size - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _validate(trainee: Trainee) -> Validated | None:
    """Returns what was found over the val split, or None if a worker was asked to stop."""
    reader = trainee.val_reader
    plan = order.evaluation_plan(
        len(reader.index), trainee.config.global_batch_size, trainee.worker, trainee.num_workers
    )
    validated = None
    for number, batch in reader.batches(plan):
        of_batch = trainee.validation_step(batch, float(trainee.wants_to_stop()))
        trainee.pat()
        if of_batch.stops and number + 1 < len(plan):  # after the last batch, validation is done anyway
            return None
        validated = of_batch if validated is None else validated + of_batch
    if validated is not None and not math.isfinite(validated.loss_sum):
        loss = validated.loss_sum / validated.weight_sum
        raise DataError(f"the validation loss is {loss}; lower learning_rate={trainee.config.learning_rate}")
    return validated


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
