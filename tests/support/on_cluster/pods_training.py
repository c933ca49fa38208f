"""Trainings with pods on a cluster, in this process or in one of their own, and what is done to them."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from train_fixtures import in_background, wait_for

from components.contracts import TrainingReceipt
from components.progress import StepLog
from components.train.launch.pods.pod_waits import Limits
from components.train.launch.pods.step_pod import worker_pods
from components.train.launch.pods.task_config import TaskSettings
from components.train.settings.config import TrainConfig
from components.train.settings.node_pools import Pool, PoolSettings
from components.train.settings.train_settings import TrainSettings
from components.train.training import train_once


class Training(msgspec.Struct):
    """What is to be trained."""

    settings: TrainSettings
    data_root: str
    manifest_path: str


def train_in_pods(what: Training, task: TaskSettings, log: StepLog, limits: Limits | None = None) -> TrainingReceipt:
    """Trains with worker pods on the cluster that KUBECONFIG names."""
    pods = worker_pods(task, what.settings.num_workers, what.data_root, limits)
    return train_once(what.settings, what.data_root, what.manifest_path, pods, log)


TUNING = {"image_size_px": 32, "global_batch_size": 8, "learning_rate": 1.5e-4, "reference_batch_size": 4}
SMALL = PoolSettings(cpu="100m", memory="900Mi").pool()
FOREVER = 10_000  # epochs


def settings(
    data: tuple[str, Path], seed: int, epochs: int, num_workers: int = 2, max_restarts: int = 0, **tuning: Any
) -> Training:
    """Returns a small training on the dataset of a data_root and a manifest; no two of a module share a seed."""
    config = TrainConfig(**{**TUNING, "seed": seed, "epochs": epochs, **tuning})
    chosen = TrainSettings(config=config, num_workers=num_workers, max_restarts=max_restarts)
    return Training(chosen, data[0], str(data[1]))


class BackgroundTraining:
    """A training in a thread, and what it says; one at a time."""

    def __init__(self, what: Training, pool: Pool = SMALL) -> None:
        # Not with capfd: what is written while that is read gets lost.
        self._said = io.StringIO()

        def train() -> TrainingReceipt:
            with contextlib.redirect_stdout(self._said):
                return train_in_pods(what, TaskSettings(pool), StepLog("train"))

        self._thread, self._results = in_background(train)

    @property
    def output(self) -> str:
        return self._said.getvalue()

    def says(self, pattern: str) -> bool:
        return re.search(pattern, self.output) is not None

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Waits for something that comes before its end."""
        wait_for(lambda: condition() or not self._thread.is_alive())
        assert self._thread.is_alive(), (self._results, self.output)

    def finish(self) -> TrainingReceipt:
        self._thread.join()
        (receipt,) = self._results
        assert isinstance(receipt, TrainingReceipt), (receipt, self.output)
        return receipt


_LAUNCHER = """
import sys, msgspec
from components.progress import StepLog
from components.train.launch.pods.task_config import TaskSettings
from pods_training import SMALL, Training, train_in_pods
train_in_pods(msgspec.json.decode(sys.argv[1], type=Training), TaskSettings(SMALL), StepLog("train"))
"""


@contextlib.contextmanager
def launcher_process(what: Training, output: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a launcher in a process of its own, and kills it with SIGKILL.

    Args:
      output: What it writes goes there.
    """
    with open(output, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, msgspec.json.encode(what).decode()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def kill_process_of(uid: str) -> bool:
    """Kills the worker of a pod on this machine's own node with SIGKILL; returns whether there is such a node."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text().replace("_", "-")
            if uid in group and b"components.train" in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        except OSError:  # it has gone
            continue
    return False
