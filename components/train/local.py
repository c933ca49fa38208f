"""The train stage on one machine, with a process for each worker."""

import os
from collections.abc import Callable

import msgspec

from components.contracts import TrainingReceipt
from components.progress import StepLog
from components.train.devices import find_devices
from components.train.launch_dir import LaunchDir
from components.train.launch_local import run_gang
from components.train.spec import WorkerSpec
from components.train.strategies import AUTO
from components.train.training import Settings, train


class LocalProcesses:
    """Starts workers as processes of this machine."""

    def __init__(self, num_workers: int) -> None:
        self.devices = find_devices()
        self.num_threads = _num_threads(num_workers)

    def launch(
        self, spec: WorkerSpec, max_restarts: int, directory: LaunchDir, log: StepLog, check: Callable[[], None]
    ) -> int:
        """See training.Launcher."""

        def make_spec(rendezvous: str) -> WorkerSpec:
            return msgspec.structs.replace(spec, rendezvous=rendezvous, follows_launcher=True)

        return run_gang(make_spec, spec.num_workers, max_restarts, directory.path, log, check, spec.strategy)


def train_locally(
    data_root: str,
    train_config: str,
    num_workers: int,
    max_restarts: int,
    manifest_path: str,
    log: StepLog,
    max_seconds: int = 0,
    checkpoint_seconds: int = 600,
    keep_checkpoints: int = 2,
    strategy: str = AUTO,
) -> TrainingReceipt:
    """Trains with `num_workers` processes on this machine, or returns the receipt of an equal training.

    For the arguments see training.Settings, for what is raised training.train.
    """
    settings = Settings(
        data_root=data_root,
        train_config=train_config,
        num_workers=num_workers,
        max_restarts=max_restarts,
        manifest_path=manifest_path,
        max_seconds=max_seconds,
        checkpoint_seconds=checkpoint_seconds,
        keep_checkpoints=keep_checkpoints,
        strategy=strategy,
    )
    return train(settings, LocalProcesses(num_workers), log)


def _num_threads(num_workers: int) -> int:
    """Returns each worker's part of the processor's cores."""
    # Of those that this process may use; where the system cannot say (macOS), of those there are.
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, num_cores // max(num_workers, 1))
