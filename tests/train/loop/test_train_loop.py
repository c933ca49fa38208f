"""The training loop in this process, stopped at every kind of moment; test_train_stops.py has it in workers."""

import time
from collections.abc import Callable
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
from components.train.loop.loop import Stopped, _next_epoch, run_epochs
from components.train.loop.trainee import Trainee
from components.train.loop.when_to_end import TimeBudget
from components.train.settings.config import TrainConfig
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


def launch(root: Path, wants_to_stop: Callable[[], bool], head: str) -> tuple[Trainee, TrainingState]:
    """Returns what a worker trains that has just been started, and where it goes on."""
    config = TrainConfig(**{**TUNING, "epochs": 3, "head": head})
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


@pytest.mark.slow
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


def test_the_best_epoch_names_the_checkpoint_at_its_end() -> None:
    state = TrainingState()
    for epoch, (f1, loss) in enumerate([(0.5, 0.3), (0.6, 0.4), (0.6, 0.2), (0.6, 0.2), (0.5, 0.1)]):
        state = _next_epoch(state, epoch_metrics(epoch, val_macro_f1=f1, val_loss=loss))
    assert state.best_epoch == 2
    assert state.best_checkpoint == "epoch-00003-step-000000000"
