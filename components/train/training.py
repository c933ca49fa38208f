"""The train step, in processes or in pods: check, reuse or train, and write the receipt last."""

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Protocol

from components import storage
from components.contracts import Manifest, TrainingReceipt
from components.progress import StepLog
from components.train.bottleneck import speed_verdict
from components.train.launch.launch_dir import LaunchDir, launch_dir
from components.train.launch.lease import hold
from components.train.launch.local.launcher import LocalProcesses
from components.train.launch.pods.task_config import TaskConfig, is_on_cluster, settings_of
from components.train.receipt import finished, make_receipt, write_training_receipt
from components.train.settings.config import TrainConfig
from components.train.settings.devices import Devices
from components.train.settings.preflight import check_checkpoints, check_training, resolve_bands, resolve_label_mode
from components.train.settings.published_weights import publish_weights, sha256_of
from components.train.settings.strategies import AUTO, resolve_strategy
from components.train.settings.training_id import training_id
from components.train.settings.worker_spec import EXIT_STOPPED, WorkerSpec

_PEER_WAIT_SECONDS = 120.0  # importing TensorFlow takes 10 s, on a busy machine a minute
_STALL_SECONDS = 1800.0  # a step of the largest backbone takes 4 minutes on two cores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What is to be trained.

    Attributes:
      data_root: Folder or gs:// URI that the manifest's shards are under; `training/<training_id>/` is written there.
      train_config: TrainConfig as JSON text.
      manifest_path: Local file.
      max_restarts: How often all workers may start again from the last checkpoint after one has died.
      max_seconds: After which the workers end with the best model so far; 0 is without limit.
      checkpoint_seconds: From one checkpoint to the next within an epoch; 0 makes them at epochs' ends only.
      keep_checkpoints: How many of the last are kept.
      strategy: "auto" or one of strategies.STRATEGIES.
    """

    data_root: str
    train_config: str
    num_workers: int
    max_restarts: int
    manifest_path: str
    max_seconds: int = 0
    checkpoint_seconds: int = 600
    keep_checkpoints: int = 2
    strategy: str = AUTO


class Launcher(Protocol):
    """What starts workers, watches them, and starts them again from their checkpoint.

    Attributes:
      devices: The accelerators that the workers have together.
      num_threads: Processor cores of each worker.
    """

    devices: Devices
    num_threads: int

    def launch(
        self, spec: WorkerSpec, max_restarts: int, directory: LaunchDir, log: StepLog, check: Callable[[], None]
    ) -> int:
        """Runs the workers to their end, and returns how often they were started again.

        Args:
          spec: without what depends on where the workers run.
          check: called all the time; an AgrivisionError that it raises ends the workers.

        Raises:
          SettingsError, DataError: what a worker ended with; another attempt would end the same.
          WorkersFailed: after `max_restarts` restarts.
        """


def run_training(
    settings: Settings,
    task: TaskConfig | None,
    profile: str,
    cpu: str,
    memory: str,
    shared_memory: str,
    log: StepLog,
) -> TrainingReceipt:
    """Trains, or returns the receipt of an equal training; for what is raised see train_once.

    Args:
      task: What Kubeflow says of the step; nothing on a machine, where there are no pods, and the others mean nothing.
      profile: One of node_pools.PROFILES.
      cpu, memory, shared_memory: Kubernetes quantities, or empty for the profile's.
    """
    if task is None or not is_on_cluster(task):
        return train_once(settings, LocalProcesses(settings.num_workers), log)
    # Only now, because it takes a second, and on a laptop nothing needs it.
    from components.train.launch.pods.step_pod import worker_pods

    pods = settings_of(task, profile, cpu, memory, shared_memory)
    return train_once(settings, worker_pods(pods, settings.num_workers, settings.data_root), log)


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

    For the arguments see training.Settings, for what is raised train_once.
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
    return train_once(settings, LocalProcesses(num_workers), log)


def train_once(settings: Settings, launcher: Launcher, log: StepLog) -> TrainingReceipt:
    """Trains, or returns the receipt of an equal training.

    Raises:
      SettingsError: before any worker is started, if the settings cannot work.
      DataError: for damaged shards, or a loss that is not a number.
      WorkersFailed: if workers died more often than `max_restarts`.
    """
    num_workers = settings.num_workers
    config = TrainConfig.from_json(settings.train_config)
    manifest = Manifest.read(settings.manifest_path)
    check_training(config, manifest, num_workers, settings.max_restarts, settings.max_seconds)
    check_checkpoints(settings.checkpoint_seconds, settings.keep_checkpoints)
    strategy, num_replicas = resolve_strategy(settings.strategy, config, num_workers, launcher.devices)
    data_root = settings.data_root
    if not storage.is_remote(data_root):
        data_root = str(Path(data_root).resolve())
    weights_path = publish_weights(config, data_root, log)
    identity = training_id(manifest, config, num_workers, sha256_of(weights_path), settings.max_seconds, strategy)
    folder = storage.join(data_root, "training", identity)
    if receipt := finished(folder, identity, log):
        return receipt

    started = time.monotonic()
    label_mode = resolve_label_mode(config, manifest)
    log.line(
        f"training {identity}: {config.backbone}, {label_mode.replace('_', '-')}, {config.image_size_px} px, "
        f"{manifest.splits['train'].num_tiles:,} train tiles, {config.epochs} epochs, {num_workers} workers, {strategy}"
    )
    if strategy == "mirrored" and num_replicas == 1:
        log.line("train_strategy mirrored finds one device here, and does what one_device does")
    spec = WorkerSpec(
        data_root=data_root,
        training_id=identity,
        manifest_uri=str(Path(settings.manifest_path).resolve()),
        config=config,
        label_mode=label_mode,
        bands=resolve_bands(config, manifest),
        weights_path=weights_path,
        num_workers=num_workers,
        strategy=strategy,
        num_replicas=num_replicas,
        shares_gpus=0 < launcher.devices.num_gpus < num_workers,
        rendezvous="",
        peer_wait_seconds=_PEER_WAIT_SECONDS,
        stall_seconds=_STALL_SECONDS,
        checkpoint_seconds=settings.checkpoint_seconds,
        keep_checkpoints=settings.keep_checkpoints,
        max_seconds=settings.max_seconds,
        num_threads=launcher.num_threads,
        follows_launcher=False,
    )
    with _sigterm_as_exit(), hold(folder, log.line) as check:
        # It may have been another launch that held it, and that has finished it.
        if receipt := finished(folder, identity, log):
            return receipt
        with launch_dir(storage.join(folder, "logs")) as directory:
            num_restarts = launcher.launch(spec, settings.max_restarts, directory, log, check)
        receipt = make_receipt(spec, manifest, folder, num_restarts, time.monotonic() - started)
        log.line(speed_verdict(receipt.bottleneck))
        write_training_receipt(receipt, folder)
        return receipt


@contextlib.contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Turns SIGTERM into an orderly exit, so that the workers can write a checkpoint."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(EXIT_STOPPED)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
