"""The train stage from pretrained weights, frozen and unfrozen in stages, with real worker processes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pretrained_backbone import save_weights
from train_fixtures import assert_equal, checkpointed, write_data

from components.contracts import TrainingReceipt
from components.errors import DataError
from components.progress import StepLog
from components.train.training import train_locally

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


def arguments(data: Path, root: Path, num_workers: int, max_restarts: int, **tuning: object) -> tuple:
    config = json.dumps({**TUNING, "weights": str(data / "small.weights.h5"), **tuning})
    return str(root), config, num_workers, max_restarts, str(data / "manifest.json")


def train(data: Path, root: Path, num_workers: int, max_restarts: int = 0, **tuning: object) -> TrainingReceipt:
    if root != data:
        (root / "shards").symlink_to(data / "shards")
    return train_locally(*arguments(data, root, num_workers, max_restarts, **tuning), StepLog("train"))


def test_two_workers_equal_one_through_all_stages(data: Path, undisturbed: TrainingReceipt, tmp_path: Path) -> None:
    assert undisturbed.bands == ("red", "green", "blue", "nir")
    receipt = train(data, tmp_path, num_workers=2)
    assert_equal(tmp_path, receipt, data, undisturbed, atol=1e-5)


@pytest.mark.slow
def test_weights_of_another_backbone_end_the_training_with_the_layer(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"small\.weights\.h5' are not of mobilenet for three bands: layer 'conv1' has"):
        train(data, tmp_path, num_workers=1, max_restarts=2, backbone="mobilenet")


@pytest.mark.slow
def test_a_stopped_training_goes_on_in_the_middle_of_a_stage(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path
) -> None:
    (tmp_path / "shards").symlink_to(data / "shards")
    script = (
        "from components.progress import StepLog\nfrom components.train.training import train_locally\n"
        f"train_locally(*{arguments(data, tmp_path, 1, 0)!r}, StepLog('train'))"
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
    receipt = train_locally(*arguments(data, tmp_path, 1, 0), StepLog("train"))
    assert_equal(tmp_path, receipt, data, undisturbed)
