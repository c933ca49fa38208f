"""The train stage on one machine: check, reuse or train, and write the receipt last."""

import contextlib
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import msgspec

from components import storage
from components.contracts import Manifest, TrainingReceipt
from components.errors import DataError
from components.progress import StepLog
from components.train.bottleneck import Circumstances, find_bottleneck, verdict
from components.train.checks import check_checkpoints, check_training, resolve_bands, resolve_label_mode
from components.train.config import TrainConfig
from components.train.devices import find_devices
from components.train.identity import training_id
from components.train.launch_local import run_gang
from components.train.lease import hold
from components.train.pretrained import publish_weights, sha256_of
from components.train.spec import EXIT_STOPPED, Outcome, WorkerSpec
from components.train.strategies import AUTO, PARAMETER_SERVER, resolve_strategy

_RECEIPT = "receipt.json"
_LAUNCH = re.compile(r"launch-(\d+)/")
_PEER_WAIT_SECONDS = 120.0  # importing TensorFlow takes 10 s, on a busy machine a minute
_STALL_SECONDS = 1800.0  # a step of the largest backbone takes 4 minutes on two cores


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

    Args:
      data_root: Folder or gs:// URI that the manifest's shards are under; `training/<training_id>/` is written there.
      train_config: TrainConfig as JSON text.
      max_restarts: How often all workers may start again from the last checkpoint after one has died.
      manifest_path: Local file.
      max_seconds: After which the workers end with the best model so far; 0 is without limit.
      checkpoint_seconds: From one checkpoint to the next within an epoch; 0 makes them at epochs' ends only.
      keep_checkpoints: How many of the last are kept.
      strategy: "auto" or one of strategies.STRATEGIES.

    Raises:
      SettingsError: before any process is started, if the settings cannot work.
      DataError: for damaged shards, or a loss that is not a number.
      WorkersFailed: if workers died more often than `max_restarts`.
    """
    config = TrainConfig.from_json(train_config)
    manifest = Manifest.read(manifest_path)
    check_training(config, manifest, num_workers, max_restarts, max_seconds)
    check_checkpoints(checkpoint_seconds, keep_checkpoints)
    devices = find_devices()
    strategy, num_replicas = resolve_strategy(strategy, config, num_workers, devices)
    if not storage.is_remote(data_root):
        data_root = str(Path(data_root).resolve())
    weights_path = publish_weights(config, data_root, log)
    identity = training_id(manifest, config, num_workers, sha256_of(weights_path), max_seconds, strategy)
    folder = storage.join(data_root, "training", identity)
    model_path = f"training/{identity}/export"
    if receipt := _finished(folder, identity, log):
        return receipt

    started = time.monotonic()
    label_mode = resolve_label_mode(config, manifest)
    train = manifest.splits["train"]
    log.line(
        f"training {identity}: {config.backbone}, {label_mode.replace('_', '-')}, {config.image_size_px} px, "
        f"{train.num_tiles:,} train tiles, {config.epochs} epochs, {num_workers} workers, {strategy}"
    )
    if strategy == "mirrored" and num_replicas == 1:
        log.line("train_strategy mirrored finds one device here, and does what one_device does")

    def make_spec(rendezvous: str) -> WorkerSpec:
        return WorkerSpec(
            data_root=data_root,
            training_id=identity,
            manifest_path=str(Path(manifest_path).resolve()),
            config=config,
            label_mode=label_mode,
            bands=resolve_bands(config, manifest),
            weights_path=weights_path,
            num_workers=num_workers,
            strategy=strategy,
            num_replicas=num_replicas,
            shares_gpus=0 < devices.num_gpus < num_workers,
            rendezvous=rendezvous,
            peer_wait_seconds=_PEER_WAIT_SECONDS,
            stall_seconds=_STALL_SECONDS,
            checkpoint_seconds=checkpoint_seconds,
            keep_checkpoints=keep_checkpoints,
            max_seconds=max_seconds,
            num_threads=_num_threads(num_workers),
            follows_launcher=True,
        )

    with _sigterm_as_exit(), hold(folder, log.line) as check:
        # It may have been another launch that held it, and that has finished it.
        if receipt := _finished(folder, identity, log):
            return receipt
        with _log_dir(storage.join(folder, "logs")) as work_dir:
            num_restarts = run_gang(make_spec, num_workers, max_restarts, work_dir, log, check, strategy)
        outcome_uri = storage.join(folder, "outcome.json")
        outcome = Outcome.from_json(storage.read_bytes(outcome_uri), outcome_uri)
        receipt = TrainingReceipt(
            training_id=identity,
            manifest_sha256=manifest.sha256,
            model_path=model_path,
            classes=manifest.classes,
            bands=resolve_bands(config, manifest),
            label_mode=label_mode,
            backbone=config.backbone,
            image_size_px=config.image_size_px,
            num_parameters=outcome.num_parameters,
            num_workers=num_workers,
            strategy=strategy,
            num_restarts=num_restarts,
            ended_by=outcome.ended_by,
            config=msgspec.to_builtins(config),
            best_epoch=outcome.best_epoch,
            history=outcome.history,
            seconds=time.monotonic() - started,
            num_checkpoints=outcome.num_checkpoints,
            checkpoint_stall_seconds=outcome.checkpoint_stall_seconds,
            bottleneck=find_bottleneck(
                outcome.history,
                Circumstances(
                    config=config,
                    device=outcome.device,
                    num_workers=num_workers,
                    num_threads=_num_threads(num_workers),
                    stored_size_px=min(min(map(int, size.split("x"))) for size in manifest.tile_sizes),
                    is_remote=storage.is_remote(data_root),
                    waits_in_loop=strategy != PARAMETER_SERVER,
                ),
            ),
        )
        log.line(verdict(receipt.bottleneck))
        storage.write_bytes(storage.join(folder, _RECEIPT), receipt.to_json())
        return receipt


def _finished(folder: str, identity: str, log: StepLog) -> TrainingReceipt | None:
    """Returns the receipt of the training in `folder` if it has been completed."""
    uri = storage.join(folder, _RECEIPT)
    if not storage.exists(uri) or not storage.exists(storage.join(folder, "export/saved_model.pb")):
        return None
    log.line(f"training {identity} was completed before, with equal data, settings and code; its model is reused")
    return TrainingReceipt.from_json(storage.read_bytes(uri), uri)


def _num_threads(num_workers: int) -> int:
    """Returns each worker's part of the processor's cores."""
    # Of those that this process may use; where the system cannot say (macOS), of those there are.
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, num_cores // num_workers)


@contextlib.contextmanager
def _log_dir(uri: str) -> Iterator[Path]:
    """Yields a local folder for this launch's logs; those of a bucket are uploaded at the end, whatever the end."""
    earlier = []
    with contextlib.suppress(DataError):  # no such folder: the first launch
        earlier = [int(match[1]) for file in storage.list_files(uri) if (match := _LAUNCH.match(file.path))]
    uri = storage.join(uri, f"launch-{max(earlier, default=0) + 1}")
    if not storage.is_remote(uri):
        yield Path(uri)
        return
    with tempfile.TemporaryDirectory() as temporary:
        try:
            yield Path(temporary)
        finally:
            for path in sorted(Path(temporary).iterdir()):
                storage.write_bytes(storage.join(uri, path.name), path.read_bytes())


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
