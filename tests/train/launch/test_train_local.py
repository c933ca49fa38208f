"""The train stage with real worker processes, on tiny tiles: what a training comes to."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from train_fixtures import (
    ENDLESS,
    TUNING,
    another_root,
    answers,
    assert_equal,
    copy_shards,
    shared_folder,
    train,
    workers_of,
    write_data,
)

from components.contracts import TrainingReceipt
from components.errors import DataError, SettingsError
from components.train import report


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "data", write_data)


@pytest.fixture(scope="module")
def undisturbed(data: Path) -> TrainingReceipt:
    return train(data, 1, TUNING)


@pytest.mark.slow
def test_a_training_learns_and_says_what_it_did(
    data: Path, undisturbed: TrainingReceipt, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    history = undisturbed.history
    assert [row.epoch for row in history] == list(range(6))
    assert history[-1].train_loss < 0.5 * history[0].train_loss
    best = max(history, key=lambda row: (row.val_macro_f1, -row.val_loss))
    assert undisturbed.best_epoch == best.epoch
    assert undisturbed.config["learning_rate"] == 1.5e-4
    assert all(np.isfinite(value) for value in report.summary_metrics(undisturbed).values())
    report.write_report(undisturbed, str(tmp_path / "report.html"))
    assert "Learning" not in (page := (tmp_path / "report.html").read_text())
    assert "its weights are exported" in page
    assert page.count("<tr>") > 6
    # What held it up stands in receipt, log, report and metrics alike, and its curves are there for TensorBoard.
    held_up = undisturbed.bottleneck
    assert 0 < held_up.tiles_per_second < float("inf")
    said = f"{held_up.bound_by}-bound, with {held_up.input_wait_share:.1%} of its time spent waiting for input"
    assert said in report.summary_line(undisturbed)
    assert said in page
    assert report.summary_metrics(undisturbed)["input_wait_percent"] == 100 * held_up.input_wait_share
    (path,) = (data / "training" / undisturbed.training_id / "events").iterdir()
    points: dict[str, list[float]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            points.setdefault(value.tag, []).append(value.simple_value)
    assert len(points["step/loss"]) == 30
    assert points["epoch/val_macro_f1"] == [pytest.approx(row.val_macro_f1) for row in history]
    # An equal training is not done twice.
    assert train(data, 1, TUNING) == undisturbed
    assert f"training {undisturbed.training_id} is already complete" in capfd.readouterr().out


@pytest.mark.slow
def test_two_workers_equal_one(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    receipt = train(root, 2, TUNING)
    assert_equal(root, receipt, data, undisturbed, atol=1e-5)
    assert receipt.num_restarts == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if " done in " in line]
    assert len(lines) == 6, "one line per epoch, from the chief alone"


@pytest.mark.long
def test_time_that_is_up_ends_all_workers_at_the_same_step_with_a_usable_model(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    receipt = train(root, 2, ENDLESS, max_seconds=1)  # of which compiling takes most
    assert receipt.ended_by == "max_seconds"
    said = re.findall(r"train_max_seconds is up at epoch (\d+), step [1-4] of 5", capfd.readouterr().out)
    assert len(said) <= 1  # none if time was up between two epochs
    assert [row.epoch for row in receipt.history] == list(range(int(said[0]) if said else len(receipt.history)))
    assert "more time may help" in report.verdict(receipt)
    assert np.isfinite(answers(root, receipt)).all()


@pytest.mark.long
def test_a_loss_that_is_no_number_ends_training_for_good(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tile = r"FIELD\d+_\d+-0-\d+-48"
    with pytest.raises(
        DataError, match=rf"the loss is (nan|inf) at epoch 1, step \d; lower learning_rate.*({tile}, ){{7}}{tile}$"
    ):
        train(another_root(data, tmp_path), 1, {**TUNING, "learning_rate": 1e30, "warmup_fraction": 0.0}, 3)
    assert "restart" not in capfd.readouterr().out


@pytest.mark.long
def test_a_damaged_shard_is_named_and_not_tried_again(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    copy_shards(data, root)
    manifest = json.loads((root / "manifest.json").read_text())
    shard = root / manifest["splits"]["train"]["shards"][1]["path"]
    content = bytearray(shard.read_bytes())
    content[-200] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=f"{shard.name}.*checksum"):
        train(root, 1, TUNING, max_restarts=3)


def test_a_setting_that_cannot_work_is_refused_before_anything_starts(data: Path) -> None:
    before = workers_of(os.getpid())
    with pytest.raises(SettingsError, match="train shards"):
        train(data, 4, TUNING)
    assert workers_of(os.getpid()) == before
