"""The train stage with real worker processes, on tiny tiles."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from tile_shards import fake_dataset

from components.contracts import EpochMetrics, TrainingReceipt
from components.errors import DataError, SettingsError
from components.progress import StepLog
from components.train import report
from components.train.checkpoints import TrainingState, latest_state
from components.train.launch_local import WorkersFailed
from components.train.local import train_locally
from components.train.spec import EXIT_STOPPED, EXIT_TRY_AGAIN, WorkerSpec

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


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data_root with a dataset and the training of one worker, never interrupted."""
    root = tmp_path_factory.mktemp("data")
    fake_dataset(root).write(root / "manifest.json")
    return root


@pytest.fixture(scope="module")
def undisturbed(data: Path) -> TrainingReceipt:
    return train(data, num_workers=1)


def train(
    root: Path,
    num_workers: int,
    max_restarts: int = 0,
    max_seconds: int = 0,
    checkpoint_seconds: int = 600,
    **tuning: object,
) -> TrainingReceipt:
    config, manifest_path = json.dumps({**TUNING, **tuning}), str(root / "manifest.json")
    return train_locally(
        str(root),
        config,
        num_workers,
        max_restarts,
        manifest_path,
        StepLog("train"),
        max_seconds=max_seconds,
        checkpoint_seconds=checkpoint_seconds,
    )


def another_root(data: Path, tmp_path: Path) -> Path:
    (tmp_path / "shards").symlink_to(data / "shards")
    (tmp_path / "manifest.json").write_bytes((data / "manifest.json").read_bytes())
    return tmp_path


def in_background(root: Path, results: list, **settings: int) -> threading.Thread:
    def run() -> None:
        try:
            results.append(train(root, **settings))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def workers_of(parent: int) -> dict[int, int]:
    """Returns the process ids of the workers that `parent` started, by index."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True
    ).stdout.split()
    found = {}
    for pid in map(int, children):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text()
            environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
        except OSError:
            continue
        if "components.train" in command:
            tf_config = next((v.removeprefix("TF_CONFIG=") for v in environment if v.startswith("TF_CONFIG=")), "")
            found[json.loads(tf_config)["task"]["index"] if tf_config else 0] = pid
    return found


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def checkpointed(root: Path) -> TrainingState | None:
    folders = list((root / "training").glob("*/checkpoints"))
    return latest_state(str(folders[0])) if folders else None


def weights(root: Path, receipt: TrainingReceipt) -> list[np.ndarray]:
    reader = tf.train.load_checkpoint(str(root / receipt.model_path / "variables" / "variables"))
    return [reader.get_tensor(name) for name in sorted(reader.get_variable_to_shape_map()) if "weights" in name]


def curve(receipt: TrainingReceipt) -> np.ndarray:
    return np.array([(row.train_loss, row.val_loss, row.val_macro_f1, row.learning_rate) for row in receipt.history])


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
    assert train(data, num_workers=1) == undisturbed
    assert f"training {undisturbed.training_id} was completed before" in capfd.readouterr().out


def test_two_workers_equal_one(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    receipt = train(root, num_workers=2)
    np.testing.assert_allclose(curve(receipt), curve(undisturbed), atol=1e-5)
    for mine, other in zip(weights(root, receipt), weights(data, undisturbed), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    assert receipt.num_restarts == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if " done in " in line]
    assert len(lines) == 6, "one line per epoch, from the chief alone"


@pytest.mark.slow
def test_a_killed_worker_restarts_the_gang_which_goes_on_where_it_was(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    results: list = []
    thread = in_background(root, results, num_workers=2, max_restarts=1)
    wait_for(lambda: checkpointed(root))
    os.kill(workers_of(os.getpid())[1], signal.SIGKILL)
    thread.join()
    (receipt,) = results
    assert receipt.num_restarts == 1
    np.testing.assert_allclose(curve(receipt), curve(undisturbed), atol=1e-5)
    for mine, other in zip(weights(root, receipt), weights(data, undisturbed), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    output = capfd.readouterr().out
    assert "worker 1 was killed by SIGKILL" in output
    assert "restart 1 of 1, from the last checkpoint" in output
    assert "train | resumed at epoch" in output


@pytest.mark.slow
def test_a_frozen_worker_is_ended_within_half_a_minute_and_training_ends_bit_for_bit_the_same(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    results: list = []
    thread = in_background(root, results, num_workers=1, max_restarts=1)
    wait_for(lambda: checkpointed(root))
    worker = workers_of(os.getpid())[0]
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: not Path(f"/proc/{worker}").exists(), seconds=30.0)
    thread.join()
    (receipt,) = results
    assert receipt.num_restarts == 1
    assert "worker 0 froze: it showed no sign of life, and was killed; restart 1 of 1" in capfd.readouterr().out
    np.testing.assert_array_equal(curve(receipt), curve(undisturbed))
    for mine, other in zip(weights(root, receipt), weights(data, undisturbed), strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.slow
def test_a_full_disk_ends_training_with_one_line_and_a_later_launch_goes_on(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    results: list = []
    thread = in_background(root, results, num_workers=1, max_restarts=3)
    wait_for(lambda: checkpointed(root))
    resource.prlimit(workers_of(os.getpid())[0], resource.RLIMIT_FSIZE, (1000, 1000))
    # A second launch of the same training keeps its hands off, and then goes on where the first one stopped.
    second: list = []
    waiting = in_background(root, second, num_workers=1)
    thread.join()
    (error,) = results
    assert isinstance(error, DataError)
    assert "cannot write checkpoint epoch-" in str(error)
    waiting.join()
    (receipt,) = second
    output = capfd.readouterr().out
    assert "is at this training already; waiting for it to end" in output
    assert re.search(r"train \| resumed at epoch [2-6]", output)
    np.testing.assert_array_equal(curve(receipt), curve(undisturbed))
    assert len(list((root / "training").glob("*/logs/launch-*"))) == 2, "logs of both are kept"


@pytest.mark.slow
def test_sigterm_writes_a_checkpoint_from_which_training_ends_bit_for_bit_the_same(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path
) -> None:
    root = another_root(data, tmp_path)
    results: list = []
    thread = in_background(root, results, num_workers=1)
    wait_for(lambda: checkpointed(root))
    os.kill(workers_of(os.getpid())[0], signal.SIGTERM)
    thread.join()
    (error,) = results
    assert isinstance(error, WorkersFailed)
    assert f"worker 0 ended with exit code {EXIT_STOPPED}: stopped by SIGTERM, after checkpoint epoch-" in str(error)
    state = checkpointed(root)
    assert state is not None
    assert state.step > 0, "in the middle of an epoch"
    receipt = train(root, num_workers=1)
    np.testing.assert_array_equal(curve(receipt), curve(undisturbed))
    for mine, other in zip(weights(root, receipt), weights(data, undisturbed), strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.slow
def test_workers_stop_after_the_same_step_whoever_gets_sigterm(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    results: list = []
    thread = in_background(root, results, num_workers=2)
    wait_for(lambda: checkpointed(root))
    os.kill(workers_of(os.getpid())[1], signal.SIGTERM)
    thread.join()
    (error,) = results
    assert isinstance(error, WorkersFailed)
    assert f"exit code {EXIT_STOPPED}: stopped by SIGTERM" in str(error)
    for log in (root / "training").glob("*/logs/*/*.log"):
        assert f"after checkpoint {checkpointed(root).checkpoint}" in log.read_text()


@pytest.mark.slow
def test_time_that_is_up_ends_all_workers_at_the_same_step_with_a_usable_model(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    # The first call alone, which compiles, takes longer.
    receipt = train(root, num_workers=2, max_seconds=1, epochs=500)
    assert receipt.ended_by == "max_seconds"
    assert [row.epoch for row in receipt.history] == [0]
    assert "train_max_seconds is up at epoch 1, step 2 of 5" in capfd.readouterr().out
    assert "more time may help" in report.verdict(receipt)
    model = tf.saved_model.load(str(root / receipt.model_path))
    answers = model.predict_batch(tf.zeros([2, 32, 32, 4], tf.uint8), tf.ones([2, 32, 32, 1], tf.uint8))
    assert np.isfinite(answers).all()


def test_a_loss_that_is_no_number_ends_training_for_good(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tile = r"FIELD\d+_\d+-0-\d+-48"
    with pytest.raises(
        DataError, match=rf"the loss is (nan|inf) at epoch 1, step \d; lower learning_rate.*({tile}, ){{7}}{tile}$"
    ):
        train(another_root(data, tmp_path), num_workers=1, max_restarts=3, learning_rate=1e30, warmup_fraction=0.0)
    assert "restart" not in capfd.readouterr().out


def test_a_damaged_shard_is_named_and_not_tried_again(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    (root / "shards").unlink()
    (root / "shards").mkdir()
    for path in (data / "shards").iterdir():
        (root / "shards" / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((root / "manifest.json").read_text())
    shard = root / manifest["splits"]["train"]["shards"][1]["path"]
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=f"{shard.name}.*checksum"):
        train(root, num_workers=1, max_restarts=3)


@pytest.mark.slow
def test_workers_do_not_outlive_their_launcher(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    script = (
        "from components.progress import StepLog\nfrom components.train.local import train_locally\n"
        f"train_locally({str(root)!r}, {json.dumps({**TUNING, 'epochs': 500})!r}, 2, 0, "
        f"{str(root / 'manifest.json')!r}, StepLog('train'))"
    )
    launcher = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[1])
    try:
        wait_for(lambda: checkpointed(root))
        workers = workers_of(launcher.pid)
        assert sorted(workers) == [0, 1]
    finally:
        launcher.kill()
        launcher.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers.values()), seconds=10.0)


def test_a_setting_that_cannot_work_is_refused_before_anything_starts(data: Path) -> None:
    before = workers_of(os.getpid())
    with pytest.raises(SettingsError, match="train shards"):
        train(data, num_workers=4, max_restarts=0)
    assert workers_of(os.getpid()) == before


def lone_worker(data: Path, tmp_path: Path, output: Path, **changes: object) -> subprocess.Popen:
    """Starts worker 1 of 2, whose peer never comes."""
    spec = WorkerSpec.read(next((data / "training").glob("*/logs/launch-1/attempt-1-spec.json")))
    changes = {"num_workers": 2, "rendezvous": "127.0.0.1:1", **changes}
    msgspec.structs.replace(spec, **changes).write(tmp_path / "spec.json")
    task = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 1}}
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "components.train", "--spec", str(tmp_path / "spec.json")],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "TF_CONFIG": json.dumps(task)},
            stdin=subprocess.PIPE,
            stdout=file,
        )


@pytest.mark.usefixtures("undisturbed")
def test_a_worker_that_cannot_find_its_peers_says_try_again(data: Path, tmp_path: Path) -> None:
    worker = lone_worker(data, tmp_path, tmp_path / "output", peer_wait_seconds=1.0)
    assert worker.wait(timeout=60.0) == EXIT_TRY_AGAIN
    assert "error: worker 1 of 2 waited 1 s for its peers in vain" in (tmp_path / "output").read_text()


@pytest.mark.usefixtures("undisturbed")
def test_a_worker_that_has_nothing_to_say_still_sees_its_launcher_go(data: Path, tmp_path: Path) -> None:
    worker = lone_worker(data, tmp_path, tmp_path / "output", peer_wait_seconds=600.0)
    try:
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(timeout=30.0) == EXIT_TRY_AGAIN
    finally:
        worker.kill()
    assert "in vain" not in (tmp_path / "output").read_text()


def test_the_best_epoch_names_the_checkpoint_at_its_end() -> None:
    from components.train.loop import _next_epoch

    state = TrainingState()
    for epoch, (f1, loss) in enumerate([(0.5, 0.3), (0.6, 0.4), (0.6, 0.2), (0.6, 0.2), (0.5, 0.1)]):
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=0.0,
            val_loss=loss,
            val_macro_f1=f1,
            learning_rate=0.0,
            seconds=0.0,
            tiles_per_second=0.0,
        )
        state = _next_epoch(state, metrics)
    assert state.best_epoch == 2
    assert state.best_checkpoint == "epoch-00003-step-000000000"
