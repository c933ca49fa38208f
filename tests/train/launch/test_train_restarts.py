"""Workers that are killed, freeze, run out of disk or lose each other: real processes, on tiny tiles."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from train_fixtures import (
    ENDLESS,
    TUNING,
    another_root,
    assert_equal,
    checkpointed,
    in_background,
    shared_folder,
    train,
    wait_for,
    workers_of,
    write_data,
)
from worker_specs import changed

from components.contracts import TrainingReceipt
from components.errors import DataError
from components.train.settings.worker_spec import EXIT_TRY_AGAIN, WorkerSpec

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "data", write_data)


@pytest.fixture(scope="module")
def undisturbed(data: Path) -> TrainingReceipt:
    return train(data, 1, TUNING)


@pytest.mark.slow
def test_a_killed_worker_restarts_the_gang_which_goes_on_where_it_was(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    thread, results = in_background(lambda: train(root, 2, TUNING, max_restarts=1))
    wait_for(lambda: checkpointed(root))
    os.kill(workers_of(os.getpid())[1], signal.SIGKILL)
    thread.join()
    (receipt,) = results
    assert receipt.num_restarts == 1
    assert_equal(root, receipt, data, undisturbed, atol=1e-5)
    output = capfd.readouterr().out
    assert "worker 1 was killed by SIGKILL" in output
    assert "restart 1 of 1, from the last checkpoint" in output
    assert "train | resumed at epoch" in output


@pytest.mark.long
def test_a_frozen_worker_is_ended_within_half_a_minute_and_training_ends_bit_for_bit_the_same(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    thread, results = in_background(lambda: train(root, 1, TUNING, max_restarts=1))
    wait_for(lambda: checkpointed(root))
    worker = workers_of(os.getpid())[0]
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: not Path(f"/proc/{worker}").exists(), seconds=30.0)
    thread.join()
    (receipt,) = results
    assert receipt.num_restarts == 1
    assert "worker 0 froze: its heartbeat stopped, and it was killed; restart 1 of 1" in capfd.readouterr().out
    assert_equal(root, receipt, data, undisturbed)


@pytest.mark.long
def test_a_full_disk_ends_training_with_one_line_and_a_later_launch_goes_on(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = another_root(data, tmp_path)
    thread, results = in_background(lambda: train(root, 1, TUNING, max_restarts=3))
    wait_for(lambda: checkpointed(root))
    resource.prlimit(workers_of(os.getpid())[0], resource.RLIMIT_FSIZE, (1000, 1000))
    # A second launch of the same training keeps its hands off, and then goes on where the first one stopped.
    waiting, second = in_background(lambda: train(root, 1, TUNING))
    thread.join()
    (error,) = results
    assert isinstance(error, DataError)
    assert "cannot write checkpoint epoch-" in str(error)
    waiting.join()
    (receipt,) = second
    output = capfd.readouterr().out
    assert "is already running this training; waiting for it to end" in output
    assert re.search(r"train \| resumed at epoch [2-6]", output)
    assert_equal(root, receipt, data, undisturbed)
    assert len(list((root / "training").glob("*/logs/launch-*"))) == 2, "logs of both are kept"


# Neither its epochs nor a curve that gets no better end it within a test.


def launcher_of(root: Path, prepare: str = "") -> subprocess.Popen:
    """Starts a process that trains with two workers for longer than any test takes."""
    script = (
        "from components.progress import StepLog\nfrom components.train.settings.config import TrainConfig\n"
        "from components.train import training\nfrom components.train.settings.train_settings import TrainSettings\n"
        f"settings = TrainSettings(config=TrainConfig(**{ENDLESS!r}), max_restarts=0)\n{prepare}\n"
        f"training.run_training(settings, {str(root)!r}, {str(root / 'manifest.json')!r}, StepLog('train'))"
    )
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def have_ended(workers: dict[int, int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in workers.values())


@pytest.mark.long
def test_workers_do_not_outlive_their_launcher(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    with launcher_of(root) as launcher:
        try:
            wait_for(lambda: checkpointed(root))
            workers = workers_of(launcher.pid)
            assert sorted(workers) == [0, 1]
        finally:
            launcher.kill()
    wait_for(lambda: have_ended(workers), seconds=10.0)


# As a lease on a bucket that lasts for another 14 seconds.
_SHORT_LEASE = """
import contextlib
class Lease:
    check = staticmethod(lambda: 14.0)
training.hold = lambda *_, **__: contextlib.nullcontext(Lease)
"""


@pytest.mark.slow
@pytest.mark.hostile
def test_workers_of_a_launcher_that_is_stopped_write_a_checkpoint_and_end(data: Path, tmp_path: Path) -> None:
    root = another_root(data, tmp_path)
    with launcher_of(root, _SHORT_LEASE) as launcher:
        try:
            wait_for(lambda: checkpointed(root))
            workers = workers_of(launcher.pid)
            assert sorted(workers) == [0, 1]
            launcher.send_signal(signal.SIGSTOP)
            # Zombies, until their parent goes on.
            states = [Path(f"/proc/{pid}/stat") for pid in workers.values()]
            wait_for(lambda: all(state.read_text().rpartition(")")[2].split()[0] == "Z" for state in states), 40.0)
            launcher.send_signal(signal.SIGCONT)
            _, errors = launcher.communicate(timeout=60.0)
        finally:
            launcher.kill()
    last = checkpointed(root)
    assert last is not None
    assert f"stopped by SIGTERM, after checkpoint {last.checkpoint}; gave up after 0 restarts" in errors


def lone_worker(data: Path, training_id: str, tmp_path: Path, output: Path, **changes: object) -> subprocess.Popen:
    """Starts worker 1 of 2, whose peer never comes."""
    spec = WorkerSpec.read(data / "training" / training_id / "logs/launch-1/attempt-1-spec.json")
    changes = {"num_workers": 2, "strategy": "multi_worker_mirrored", "rendezvous": "127.0.0.1:1", **changes}
    changed(spec, **changes).write(tmp_path / "spec.json")
    task = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 1}}
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "components.train", "--spec", str(tmp_path / "spec.json")],
            cwd=ROOT,
            env={**os.environ, "TF_CONFIG": json.dumps(task)},
            stdin=subprocess.PIPE,
            stdout=file,
        )


def test_a_worker_that_cannot_find_its_peers_says_try_again(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path
) -> None:
    with lone_worker(data, undisturbed.training_id, tmp_path, tmp_path / "output", peer_wait_seconds=1.0) as worker:
        assert worker.wait(timeout=60.0) == EXIT_TRY_AGAIN
    assert "error: worker 1 of 2 gave up waiting for its peers after 1 s" in (tmp_path / "output").read_text()


def test_a_worker_that_has_nothing_to_say_still_sees_its_launcher_go(
    data: Path, undisturbed: TrainingReceipt, tmp_path: Path
) -> None:
    worker = lone_worker(data, undisturbed.training_id, tmp_path, tmp_path / "output", peer_wait_seconds=600.0)
    try:
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(timeout=30.0) == EXIT_TRY_AGAIN
    finally:
        worker.kill()
        worker.wait()
    assert "gave up" not in (tmp_path / "output").read_text()
