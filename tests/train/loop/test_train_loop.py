"""The training loop in this process, stopped at every kind of moment; test_train_stops.py has it in workers."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from curve_points import epoch_metrics
from train_fixtures import TUNING, write_data
from worker_specs import worker_spec

from components.contracts import Manifest
from components.train.checkpoint.checkpoints import TrainingState
from components.train.checkpoint.resume import resume
from components.train.input.reader import Batch
from components.train.loop import loop
from components.train.loop.loop import Stopped, _next_epoch, run_epochs
from components.train.loop.pace import PaceLimits
from components.train.loop.trainee import Trainee
from components.train.loop.when_to_end import TimeBudget
from components.train.settings.config import TrainConfig
from components.train.step.steps import TrainSteps, Wishes
from components.train.worker.assembly import lockstep_trainee, make_reader

# Each epoch looks six times whether it is to stop: at its start, after three calls for five steps, at two batches of
# validation. A launch that begins at the end of the steps does so before validation alone.
MOMENTS = [
    (3, (0, 4)),  # in the middle of the steps
    (3, (0, 5)),  # at the first batch of validation, which counts for nothing
    (3, (1, 0)),  # at its last batch, by which the epoch is done
    (1, (1, 0)),  # before anything
    (4, (1, 5)),  # after the last step
]


def launch(
    root: Path, wants_to_stop: Callable[[], bool], head: str = "tile", **tuning: int
) -> tuple[Trainee, TrainingState]:
    """Returns what a worker trains that has just been started, and where it goes on."""
    config = TrainConfig(**{**TUNING, "epochs": 3, "head": head, **tuning})
    spec = worker_spec(root, config=config, keep_checkpoints=2, num_threads=2)
    manifest = Manifest.read(spec.manifest_uri)
    readers = {split: make_reader(spec, manifest, split) for split in ("train", "val")}
    strategy, budget = tf.distribute.get_strategy(), TimeBudget(0.0, time.monotonic())
    trainee = lockstep_trainee(spec, manifest, 0, strategy, readers, budget, wants_to_stop, lambda: None)
    return trainee, resume(strategy, trainee.writer.root, trainee.writer.variables, 0, 1)


def from_the_nth(number: int) -> Callable[[], bool]:
    """Returns a function that is true from its n-th call on."""
    calls: list[None] = []
    return lambda: calls.append(None) or len(calls) >= number


def curve(state: TrainingState) -> list[tuple[float | None, ...]]:
    return [
        (row.train_loss, row.val_loss, row.val_macro_f1, row.val_mean_iou, row.learning_rate) for row in state.history
    ]


@pytest.mark.long
@pytest.mark.parametrize("head", ["tile", "lraspp"])
def test_a_training_that_is_stopped_at_whatever_moment_goes_on_bit_for_bit_the_same(tmp_path: Path, head: str) -> None:
    tf.config.experimental.enable_op_determinism()
    roots = [tmp_path / "undisturbed", tmp_path / "stopped"]
    for root in roots:
        root.mkdir()
        write_data(root, label_masks=head != "tile")
    undisturbed, state = launch(roots[0], lambda: False, head)
    expected, _ = run_epochs(undisturbed, state)

    for number, (epoch, step) in MOMENTS:
        trainee, state = launch(roots[1], from_the_nth(number), head)
        with pytest.raises(Stopped, match=TrainingState(epoch=epoch, step=step).checkpoint):
            run_epochs(trainee, state)
    trainee, state = launch(roots[1], lambda: False, head)
    assert (state.epoch, state.step, len(state.history)) == (1, 5, 1)
    ended, _ = run_epochs(trainee, state)

    assert curve(ended) == curve(expected)
    assert (ended.history[-1].val_mean_iou is None) == (head == "tile")
    for name, variable in undisturbed.writer.variables.items():
        np.testing.assert_array_equal(trainee.writer.variables[name].numpy(), variable.numpy(), name)


# Two calls that stop in the middle of the steps, for calls of one, of seven, and of as many as training chooses.
PACES = {1: (3, 7), 7: (2, 7), 0: (3, 6)}


@pytest.mark.long
def test_however_many_steps_a_call_takes_a_training_is_bit_for_bit_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tf.config.experimental.enable_op_determinism()
    # Any step is short, and a loop pays at once: training chooses one, and then two, four, eight.
    always = PaceLimits(call_seconds=1e9, short_step_seconds=1e9, saved_seconds=1e9, measured_steps=1)
    monkeypatch.setattr(loop, "LIMITS", always)
    found, taken = {}, {}
    for steps_per_call, moments in PACES.items():
        root = tmp_path / str(steps_per_call)
        root.mkdir()
        write_data(root, num_train=90)
        lengths: list[int] = []
        for wants_to_stop in (*map(from_the_nth, moments), lambda: False):
            trainee, state = launch(root, wants_to_stop, steps_per_call=steps_per_call)
            trainee = dataclasses.replace(trainee, train_steps=counted(trainee.train_steps, lengths))
            with contextlib.suppress(Stopped):
                state, _ = run_epochs(trainee, state)
        found[steps_per_call] = curve(state), {n: v.numpy() for n, v in trainee.writer.variables.items()}
        taken[steps_per_call] = lengths
    assert set(taken[1]) == {1}
    assert set(taken[7]) == {7, 4}
    assert {1, 2, 4} <= set(taken[0])
    for state_curve, variables in found.values():
        assert state_curve == found[1][0]
        for name, value in found[1][1].items():
            np.testing.assert_array_equal(variables[name], value, name)


def counted(train_steps: TrainSteps, lengths: list[int]) -> TrainSteps:
    """Returns the same steps, which also say how many there are in each call."""

    def take_steps(batches: Sequence[Batch], global_step: int, wishes: Wishes) -> tuple[list[float], Wishes]:
        lengths.append(len(batches))
        return train_steps(batches, global_step, wishes)

    return take_steps


def test_the_best_epoch_names_the_checkpoint_at_its_end() -> None:
    state = TrainingState()
    for epoch, (f1, loss) in enumerate([(0.5, 0.3), (0.6, 0.4), (0.6, 0.2), (0.6, 0.2), (0.5, 0.1)]):
        state = _next_epoch(state, epoch_metrics(epoch, val_macro_f1=f1, val_loss=loss))
    assert state.best_epoch == 2
    assert state.best_checkpoint == "epoch-00003-step-000000000"
