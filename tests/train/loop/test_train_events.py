"""Curves as TensorBoard reads them, written for a training that is not there."""

from pathlib import Path

import pytest
import tensorflow as tf
from curve_points import absent_trainee, clock_at, epoch_metrics

from components.train.checkpoint.checkpoints import TrainingState
from components.train.loop import tensorboard as events
from components.train.loop.tensorboard import Curves, EventFile
from components.train.settings.config import TrainConfig
from components.train.step.schedule import learning_rate

CONFIG = TrainConfig(global_batch_size=8, epochs=2, learning_rate=0.5)
EPOCH = epoch_metrics(1)


def trainee(folder: Path | str, worker: int = 0, steps_per_epoch: int = 4):
    return absent_trainee(CONFIG, steps_per_epoch, worker=worker, events_uri=str(folder))


def read(folder: Path) -> list[tf.compat.v1.Event]:
    return [event for path in sorted(folder.iterdir()) for event in tf.compat.v1.train.summary_iterator(str(path))]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in read(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_points_by_step_and_by_epoch_are_read_back(tmp_path: Path) -> None:
    written = Curves(trainee(tmp_path), TrainingState())
    written.steps_done(TrainingState(step=2, global_step=2), [1.5, 1.25], clock_at(0.0, 0.0, 0))  # compiled
    written.steps_done(TrainingState(step=4, global_step=4), [1.0, 0.5], clock_at(1.0, 3.0, 2))
    written.steps_done(TrainingState(step=1, global_step=5), [0.25], clock_at(1.0, 4.0, 3))
    written.epoch_done(EPOCH)

    rates = [(step, pytest.approx(learning_rate(CONFIG, step - 1, 8))) for step in range(1, 6)]
    assert curves(tmp_path) == {
        "step/loss": [(1, 1.5), (2, 1.25), (3, 1.0), (4, 0.5), (5, 0.25)],
        "step/learning_rate": rates,
        "step/tiles_per_second": [(4, 4.0), (5, 8.0)],
        "step/input_wait_share": [(4, 0.25), (5, 0.0)],
        "epoch/train_loss": [(2, 0.75)],
        "epoch/val_loss": [(2, 0.5)],
        "epoch/val_macro_f1": [(2, 0.25)],
        "epoch/learning_rate": [(2, 0.125)],
        "epoch/tiles_per_second": [(2, 64.0)],
        "epoch/input_wait_share": [(2, 0.0625)],
    }
    first = read(tmp_path)[0]
    assert first.file_version == "brain.Event:2"
    assert "tfevents" in next(tmp_path.iterdir()).name, "TensorBoard looks for such names only"


def test_a_restarted_training_takes_back_the_points_after_its_checkpoint(tmp_path: Path) -> None:
    Curves(trainee(tmp_path), TrainingState(epoch=1, step=2, global_step=6))
    (start,) = (event for event in read(tmp_path) if event.HasField("session_log"))
    assert (start.session_log.status, start.step) == (tf.compat.v1.SessionLog.START, 7)


def test_a_long_epoch_has_few_points(tmp_path: Path) -> None:
    written = Curves(trainee(tmp_path, steps_per_epoch=1000), TrainingState())
    for call in range(4):
        state = TrainingState(step=3 * call + 3, global_step=3 * call + 3)
        written.steps_done(state, [float(3 * call + n) for n in range(3)], clock_at(0.0, call, call))
    written.epoch_done(EPOCH)
    assert curves(tmp_path)["step/loss"] == [(2, 1.0), (4, 3.0), (6, 5.0), (8, 7.0), (10, 9.0), (12, 11.0)]


def test_only_the_chief_writes(tmp_path: Path) -> None:
    written = Curves(trainee(tmp_path / "events", worker=1), TrainingState())
    written.steps_done(TrainingState(step=1, global_step=1), [1.0], clock_at(0.0, 1.0, 1))
    written.epoch_done(EPOCH)
    assert not (tmp_path / "events").exists()


def test_a_file_that_cannot_be_written_is_one_line_and_no_end(tmp_path: Path, capsys) -> None:
    (tmp_path / "events").write_text("in the way")
    written = Curves(trainee(tmp_path / "events"), TrainingState())
    written.steps_done(TrainingState(step=1, global_step=1), [1.0], clock_at(0.0, 1.0, 1))
    written.epoch_done(EPOCH)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("train | cannot write the curves for TensorBoard any more: ")
    assert "training continues" in line


def test_points_are_seen_while_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_FLUSH_SECONDS", 0.0)
    file = EventFile(str(tmp_path), 1)
    file.add(1, {"step/loss": 1.0})
    assert curves(tmp_path) == {"step/loss": [(1, 1.0)]}


def test_in_a_bucket_the_file_is_uploaded_once_a_minute_and_at_the_end_of_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads: dict[str, list[bytes]] = {}
    monkeypatch.setattr(events.storage, "write_bytes", lambda uri, content: uploads.setdefault(uri, []).append(content))
    monkeypatch.setattr(events, "_FLUSH_SECONDS", 0.0)
    written = Curves(trainee("gs://bucket/training/t1/events"), TrainingState())
    written.steps_done(TrainingState(step=1, global_step=1), [1.0], clock_at(0.0, 1.0, 1))
    assert not uploads
    written.epoch_done(EPOCH)
    ((uri, (content,)),) = uploads.items()
    assert uri.startswith("gs://bucket/training/t1/events/events.out.tfevents.")
    monkeypatch.setattr(events, "_UPLOAD_SECONDS", 0.0)
    written.steps_done(TrainingState(step=2, global_step=2), [0.5], clock_at(0.0, 2.0, 2))
    assert len(uploads[uri]) == 2
    assert uploads[uri][1].startswith(content)
    (tmp_path / "events.out.tfevents.1").write_bytes(uploads[uri][1])
    assert curves(tmp_path)["step/loss"] == [(1, 1.0), (2, 0.5)]
