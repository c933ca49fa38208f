"""The train step, with workers in processes or pods: check the settings, reuse or train, write the receipt last."""

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
from components.cost.known_trainings import Kind, known_trainings
from components.cost.prices import read_prices
from components.cost.train_speed import forecast_seconds
from components.errors import SettingsError
from components.progress import StepLog
from components.train.bottleneck import speed_verdict
from components.train.charges import check_forecast, cost_line, paid_seconds, train_size, with_cost
from components.train.launch.launch_dir import LaunchDir, launch_dir
from components.train.launch.lease import Whereabouts
from components.train.launch.local.launcher import LocalProcesses
from components.train.launch.one_at_a_time import hold
from components.train.launch.pods.task_config import TaskConfig, is_on_cluster, task_settings
from components.train.launch.usage import Usage
from components.train.receipt import finished, make_receipt, receipt_token, write_training_receipt
from components.train.settings.devices import Devices
from components.train.settings.node_pools import PoolSettings
from components.train.settings.preflight import check_training, resolve_bands, resolve_image_size, resolve_label_mode
from components.train.settings.published_weights import publish_weights, sha256_of
from components.train.settings.strategies import AUTO, check_replicas, resolve_strategy
from components.train.settings.train_settings import TrainSettings
from components.train.settings.training_id import training_id
from components.train.settings.worker_spec import EXIT_STOPPED, WorkerSpec

_PEER_WAIT_SECONDS = 120.0  # importing TensorFlow takes 10 s, or a minute on a busy machine
_STALL_SECONDS = 1800.0  # a step of the largest backbone takes 4 minutes on two cores


class Launcher(Protocol):
    """Starts workers, watches them, and restarts them from their checkpoint.

    Attributes:
      devices: The accelerators of all workers together.
      num_threads: CPU cores of each worker.
      image: Of the workers' pods, by its digest where that is known; empty without pods.
      profile: The node pool that the workers are charged as.
    """

    devices: Devices
    num_threads: int
    image: str
    profile: str

    @property
    def whereabouts(self) -> Whereabouts:
        """Where the launch runs, for others that wait for it."""

    def num_nodes(self, settings: TrainSettings) -> int:
        """Returns how many nodes the workers are charged for."""

    def exposure(self, data_root: str) -> str:
        """Says why strangers could reach several workers; empty if they cannot, or if the user trusts the network."""

    def launch(
        self,
        spec: WorkerSpec,
        directory: LaunchDir,
        log: StepLog,
        check: Callable[[], float],
        usage: Usage | None = None,
    ) -> int:
        """Runs the workers to their end, and returns how many times they were restarted.

        Args:
          spec: The spec, without the fields that depend on where the workers run.
          directory: Folder for specs and logs.
          log: The step's log.
          check: Called continually; an AgrivisionError that it raises ends the workers. Returns the seconds for which
            they may go on without another call.
          usage: Adds up the time of the attempts; None if nobody wants to know.

        Raises:
          SettingsError, DataError: If a worker ended with this error; another attempt would end the same way.
          WorkersFailed: If the workers fail after `max_restarts` restarts.
        """


def run_training(
    settings: TrainSettings,
    data_root: str,
    manifest_path: str,
    log: StepLog,
    pool: PoolSettings | None = None,
    task: TaskConfig | None = None,
) -> TrainingReceipt:
    """Trains with processes on this machine, or with pods if Kubeflow runs the step in one; see train_once.

    Args:
      settings: The run's training settings.
      data_root: See train_once.
      manifest_path: See train_once.
      log: The step's log.
      pool: The run's settings for the workers' pods; unused outside a cluster.
      task: Kubeflow's configuration of the step; None outside a cluster.
    """
    if task is None or not is_on_cluster(task):
        return train_once(settings, data_root, manifest_path, LocalProcesses(settings.num_workers), log)
    # Imported here because it takes a second and a laptop never needs it.
    from components.train.launch.pods.step_pod import worker_pods

    pods = worker_pods(task_settings(task, pool or PoolSettings()), settings.num_workers, data_root)
    return train_once(settings, data_root, manifest_path, pods, log)


def train_once(
    settings: TrainSettings, data_root: str, manifest_path: str, launcher: Launcher, log: StepLog
) -> TrainingReceipt:
    """Trains, or returns the receipt of an equal training.

    Args:
      settings: The run's training settings.
      data_root: Folder or gs:// URI that holds the manifest's shards; `training/<training_id>/` is written there.
      manifest_path: A local file.
      launcher: Runs the workers.
      log: The step's log.

    Raises:
      SettingsError: If the settings cannot work with this dataset or on this machine; raised before any worker starts.
      DataError: If shards are damaged or the loss is not a number.
      WorkersFailed: If the workers fail more than `max_restarts` times.
    """
    prices = read_prices()
    prices.of(launcher.profile)  # now, not once the training is done
    manifest = Manifest.read(manifest_path)
    settings = dataclasses.replace(settings, config=resolve_image_size(settings.config, manifest))
    config, num_workers = settings.config, settings.num_workers
    check_training(config, manifest, num_workers)
    settings, num_replicas = _placed(settings, data_root, launcher, log)
    num_workers, strategy = settings.num_workers, settings.strategy
    if not storage.is_remote(data_root):
        data_root = str(Path(data_root).resolve())
    weights_path = publish_weights(config, data_root, log)
    identity = training_id(
        manifest, config, num_workers, sha256_of(weights_path), settings.max_seconds, strategy, settings.max_cost
    )
    folder = storage.join(data_root, "training", identity)
    if receipt := finished(folder, identity, log):
        return receipt

    started = time.monotonic()
    num_nodes = launcher.num_nodes(settings)
    label_mode = resolve_label_mode(config, manifest)
    log.line(
        f"training {identity}: {config.backbone}, {label_mode.replace('_', '-')}, {config.image_size_px} px, "
        f"{manifest.splits['train'].num_tiles:,} train tiles, {config.epochs} epochs, {num_workers} workers, {strategy}"
    )
    if strategy == "mirrored" and num_replicas == 1:
        log.line("train_strategy mirrored found one device, so it works like one_device")
    spec = WorkerSpec(
        data_root=data_root,
        training_id=identity,
        manifest_uri=str(Path(manifest_path).resolve()),
        settings=settings,
        label_mode=label_mode,
        bands=resolve_bands(config, manifest),
        weights_path=weights_path,
        num_replicas=num_replicas,
        shares_gpus=0 < launcher.devices.num_gpus < num_workers,
        rendezvous="",
        peer_wait_seconds=_PEER_WAIT_SECONDS,
        stall_seconds=_STALL_SECONDS,
        num_threads=launcher.num_threads,
        follows_launcher=False,
        paid_seconds=paid_seconds(settings.max_cost, launcher.profile, num_nodes, prices, log),
    )
    with _sigterm_as_exit(), hold(folder, log.line, whereabouts=launcher.whereabouts) as lease:
        token = receipt_token(folder)
        # Another launch may have held the training before and finished it.
        if receipt := finished(folder, identity, log):
            return receipt
        usage = Usage(folder)
        if settings.max_cost and not usage.pods.paid:
            kind = Kind(launcher.profile, num_workers, config.to_builtins())
            seconds = forecast_seconds(known_trainings(data_root, kind), train_size(config, manifest))
            check_forecast(settings.max_cost, seconds, launcher.profile, num_nodes, prices, log)
        with launch_dir(storage.join(folder, "logs")) as directory:
            num_restarts = launcher.launch(spec, directory, log, lease.check, usage)
        receipt = make_receipt(spec, manifest, folder, num_restarts, time.monotonic() - started, launcher.image)
        receipt = with_cost(receipt, launcher.profile, usage.pods, prices, manifest.num_tiles)
        log.line(speed_verdict(receipt.bottleneck))
        log.line(cost_line(receipt))
        return write_training_receipt(receipt, folder, token, lease, log)


def _placed(settings: TrainSettings, data_root: str, launcher: Launcher, log: StepLog) -> tuple[TrainSettings, int]:
    """Returns the settings with a strategy that is not "auto", and the replicas of each worker, 0 if only it can tell.

    Where strangers could reach TensorFlow's servers, which do for anyone what a worker asks of them, one process takes
    the place of several workers: the weights do not depend on where the replicas are.

    Raises:
      SettingsError: If the strategy needs several processes there, or cannot work on this machine.
    """
    config, num_workers, devices = settings.config, settings.num_workers, launcher.devices
    if num_workers > 1 and (exposure := launcher.exposure(data_root)):
        trust = f"{exposure}; if nobody else can reach this machine, set AGRIVISION_TRUSTED_NETWORK=true"
        if settings.strategy != AUTO:
            raise SettingsError(
                f"train_strategy {settings.strategy} with {num_workers} workers would open servers to the network, "
                f"since {trust}, or use train_strategy auto"
            )
        log.line(f"one process trains {num_workers} replicas instead of {num_workers} workers: {trust}")
        settings = dataclasses.replace(settings, num_workers=1)
        if not devices.num_gpus and not devices.has_tpu:
            check_replicas(config, 1, num_workers)
            return dataclasses.replace(settings, strategy="mirrored"), num_workers
    strategy, num_replicas = resolve_strategy(settings.strategy, config, settings.num_workers, devices)
    return dataclasses.replace(settings, strategy=strategy), num_replicas


@contextlib.contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Turns SIGTERM into an orderly exit, in which the workers can write a checkpoint."""
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
