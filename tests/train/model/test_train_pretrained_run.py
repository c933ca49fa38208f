"""The train stage from pretrained weights, frozen and unfrozen in stages, with real worker processes."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pretrained_backbone import save_weights
from train_fixtures import assert_equal, checkpointed, write_data

from components.contracts import TrainingReceipt
from components.errors import DataError
from components.progress import StepLog
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings
from components.train.training import run_training

TUNING = {
    "image_size_px": 32,
    "global_batch_size": 8,
    "epochs": 3,
    "learning_rate": 1e-3,
    "bands": "rgb_nir_ndvi",
    "freeze_epochs": 1,
    "unfreeze_every_epochs": 1,
    "backbone_learning_rate_factor": 0.1,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_data(root)
    save_weights("small", root / "small.weights.h5")
    return root


@pytest.fixture(scope="module")
def undisturbed(data: Path) -> TrainingReceipt:
    return train(data, data, num_workers=1)


def settings(data: Path, num_workers: int = 1, max_restarts: int = 0, **tuning: object) -> TrainSettings:
    config = TrainConfig(**{**TUNING, "weights": str(data / "small.weights.h5"), **tuning})
    return TrainSettings(config=config, num_workers=num_workers, max_restarts=max_restarts)


def train(data: Path, root: Path, **changes: Any) -> TrainingReceipt:
    if root != data:
        (root / "shards").symlink_to(data / "shards")
    return run_training(settings(data, **changes), str(root), str(data / "manifest.json"), StepLog("train"))


@pytest.mark.long
def test_two_workers_equal_one_through_all_stages(data: Path, undisturbed: TrainingReceipt, tmp_path: Path) -> None:
    assert undisturbed.bands == ("red", "green", "blue", "nir")
    receipt = train(data, tmp_path, num_workers=2)
    assert_equal(tmp_path, receipt, data, undisturbed, atol=1e-5)


@pytest.mark.slow
def test_weights_of_another_backbone_end_the_training_with_the_layer(data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"small\.weights\.h5' are not for mobilenet with three bands: layer 'conv1' has"
    ):
        train(data, tmp_path, num_workers=1, max_restarts=2, backbone="mobilenet")


@pytest.mark.long
def test_a_stopped_training_goes_on_in_the_middle_of_a_stage(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path
) -> None:
    (tmp_path / "shards").symlink_to(data / "shards")
    places = str(tmp_path), str(data / "manifest.json")
    script = (
        "import msgspec\nfrom components.progress import StepLog\nfrom components.train.training import run_training\n"
        "from components.train.settings.train_settings import TrainSettings\n"
        f"settings = msgspec.json.decode({msgspec.json.encode(settings(data))!r}, type=TrainSettings)\n"
        f"run_training(settings, *{places!r}, StepLog('train'))"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        for line in launcher.stdout:
            if "epoch 1/3 done" in line:
                launcher.send_signal(signal.SIGTERM)
    state = checkpointed(tmp_path)
    assert state is not None
    # Mostly within an epoch; the signal may as well be heeded right before the first step of one.
    assert state.epoch in (1, 2), "in the middle of a stage"
    receipt = run_training(settings(data), *places, StepLog("train"))
    assert_equal(tmp_path, receipt, data, undisturbed)
