"""What tests of training share: datasets, trainings with real processes, and what to compare of them."""

import fcntl
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tile_shards import fake_dataset

from components.contracts import TrainingReceipt
from components.progress import StepLog
from components.train.checkpoint import checkpoints
from components.train.checkpoint.checkpoints import TrainingState
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings
from components.train.training import run_training

# All that could make workers or a resumed training differ.
TUNING = {
    "image_size_px": 32,
    "global_batch_size": 8,
    "epochs": 6,
    "learning_rate": 1.5e-4,
    "reference_batch_size": 4,
    "steps_per_call": 2,
    "sampling": "effective_number",
    "label_smoothing": 0.02,
    "zoom_range": 0.1,
    "shear_degrees": 5.0,
    "brightness_range": 0.1,
    "clip_norm": 1.0,
    "ema_decay": 0.5,
    "early_stopping_patience": 6,
}
# Ends only when it is ended from outside: a model that learns fast must not stop it first.
ENDLESS = {**TUNING, "epochs": 5000, "early_stopping_patience": 0}


def shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """Returns a folder that all processes of this test run share; the first of them fills it, while the others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # each of them has one of its own
    folder = base / f"shared-{name}"
    with open(base / f".shared-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.with_suffix(".tmp").mkdir()
            fill(folder.with_suffix(".tmp"))
            folder.with_suffix(".tmp").rename(folder)
    return folder


def write_data(root: Path, **choices: int | bool) -> None:
    """Writes a dataset of fake tiles and its manifest; takes the choices of fake_dataset."""
    fake_dataset(root, **choices).write(root / "manifest.json")


def another_root(data: Path, place: Path) -> Path:
    """Makes `place` a data_root with the same dataset and no training."""
    (place / "shards").symlink_to(data / "shards")
    (place / "manifest.json").write_bytes((data / "manifest.json").read_bytes())
    return place


def copy_shards(data: Path, root: Path) -> None:
    """Gives a data_root from another_root shards of its own, which a test may damage."""
    (root / "shards").unlink()
    (root / "shards").mkdir()
    for path in (data / "shards").iterdir():
        (root / "shards" / path.name).write_bytes(path.read_bytes())


def train(
    root: Path, num_workers: int, tuning: dict[str, object], max_restarts: int = 0, **settings: object
) -> TrainingReceipt:
    """Trains with real workers on the dataset in `root`; an equal training in there is not done twice."""
    chosen = TrainSettings(config=TrainConfig(**tuning), num_workers=num_workers, max_restarts=max_restarts, **settings)
    return run_training(chosen, str(root), str(root / "manifest.json"), StepLog("train"))


def in_background(function: Callable[[], object]) -> tuple[threading.Thread, list]:
    """Starts it in a thread, and returns a list besides that gets its result, or what it raised."""
    results: list = []

    def run() -> None:
        try:
            results.append(function())
        except (Exception, SystemExit) as error:  # a step ends by the latter
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def free_address() -> str:
    """Returns "<host>:<port>" where nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def checkpointed(root: Path) -> TrainingState | None:
    """Returns the state of the newest checkpoint of the only training in `root`, if there is one."""
    folders = list((root / "training").glob("*/checkpoints"))
    names = checkpoints.names_under(str(folders[0])) if folders else []
    return checkpoints.read_checkpoint(str(folders[0]), names[-1])[0] if names else None


def workers_of(parent: int) -> dict[int, int]:
    """Returns the process ids of the workers that `parent` started, by index."""
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True).stdout
    found = {}
    for pid in map(int, children.split()):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text()
            environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
        except OSError:
            continue
        if "components.train" in command:
            tf_config = next((v.removeprefix("TF_CONFIG=") for v in environment if v.startswith("TF_CONFIG=")), "")
            found[json.loads(tf_config)["task"]["index"] if tf_config else 0] = pid
    return found


def curve(receipt: TrainingReceipt) -> np.ndarray:
    """Returns the learning curve without its times, [epochs, 4]."""
    return np.array([(row.train_loss, row.val_loss, row.val_macro_f1, row.learning_rate) for row in receipt.history])


def weights(root: Path, receipt: TrainingReceipt) -> list[np.ndarray]:
    """Returns the exported weights."""
    reader = tf.train.load_checkpoint(str(root / receipt.model_path / "variables" / "variables"))
    return [reader.get_tensor(name) for name in sorted(reader.get_variable_to_shape_map()) if "weights" in name]


def assert_equal(root: Path, receipt: TrainingReceipt, of: Path, expected: TrainingReceipt, atol: float = 0.0) -> None:
    """Two trainings came to the same: to the bit, unless another tolerance is given."""
    np.testing.assert_allclose(curve(receipt), curve(expected), rtol=0.0, atol=atol)
    for mine, other in zip(weights(root, receipt), weights(of, expected), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0.0, atol=atol)


def answers(root: Path, receipt: TrainingReceipt) -> np.ndarray:
    """Returns what the exported model says of two black tiles."""
    model = tf.saved_model.load(str(root / receipt.model_path))
    return model.predict_batch(tf.zeros([2, 32, 32, 4], tf.uint8), tf.ones([2, 32, 32, 1], tf.uint8)).numpy()
