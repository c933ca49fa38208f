from pathlib import Path

import msgspec
import pytest
import tensorflow as tf

from components.train import checkpoints
from components.train.checkpoints import TrainingState


def value(number: float) -> tf.train.Checkpoint:
    return tf.train.Checkpoint(weight=tf.Variable(number), momentum=tf.Variable(-number))


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def test_the_last_checkpoint_comes_back(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    assert checkpoints.latest_state(str(root)) is None
    for step in (3, 12):  # "12" sorts before "3" as text
        state = TrainingState(epoch=1, step=step, global_step=step, loss_sum=0.5)
        checkpoints.save(str(root), value(float(step)), state, is_chief=True)
    state = checkpoints.latest_state(str(root))
    assert state == TrainingState(epoch=1, step=12, global_step=12, loss_sum=0.5)
    restored = value(0.0)
    checkpoints.restore(str(root), restored, state.checkpoint)
    assert restored.weight.numpy() == 12.0
    assert restored.momentum.numpy() == -12.0


def test_only_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    best = ""
    for epoch in range(1, 5):
        state = TrainingState(epoch=epoch, best_epoch=1, best_checkpoint=best)
        if epoch == 2:
            best = state.checkpoint
            state = msgspec.structs.replace(state, best_checkpoint=best)
        checkpoints.save(str(tmp_path), value(float(epoch)), state, is_chief=True)
    assert names(tmp_path) == ["epoch-00002-step-000000000", "epoch-00004-step-000000000"]
    model_only = tf.train.Checkpoint(weight=tf.Variable(0.0))
    checkpoints.restore(str(tmp_path), model_only, best, partial=True)
    assert model_only.weight.numpy() == 2.0


def test_only_the_chief_leaves_a_checkpoint(tmp_path: Path) -> None:
    checkpoints.save(str(tmp_path), value(1.0), TrainingState(epoch=1), is_chief=False)
    assert names(tmp_path) == []


def test_an_unfinished_checkpoint_is_not_looked_at(tmp_path: Path) -> None:
    checkpoints.save(str(tmp_path), value(1.0), TrainingState(epoch=1), is_chief=True)
    half = tmp_path / "epoch-00002-step-000000000"
    half.mkdir()
    (half / "tensors.index").write_bytes(b"")
    state = checkpoints.latest_state(str(tmp_path))
    assert state is not None
    assert state.epoch == 1


def test_a_checkpoint_of_another_model_is_not_taken_over(tmp_path: Path) -> None:
    state = TrainingState(epoch=1)
    checkpoints.save(str(tmp_path), value(1.0), state, is_chief=True)
    with pytest.raises(AssertionError):
        checkpoints.restore(str(tmp_path), tf.train.Checkpoint(other=tf.Variable(0.0)), state.checkpoint, partial=True)
