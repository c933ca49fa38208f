"""What one worker does, from its spec to its part of the export."""

import signal
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components import storage, tfrecords
from components.contracts import Manifest
from components.progress import log
from components.train import checkpoints, cluster, loop, objective, order, steps
from components.train.checkpoints import TrainingState
from components.train.export import Classifier, export
from components.train.lifeline import Watchdog
from components.train.loop import Trainee
from components.train.model import build_model
from components.train.reader import Reader
from components.train.shard_index import index_split
from components.train.spec import Outcome, WorkerSpec


def run_worker(spec: WorkerSpec, worker: int) -> None:
    """Trains, and as the chief writes `export/` and `outcome.json` to the training's folder.

    Raises:
      DataError: for damaged shards or a loss that is not a number.
      Stopped: after SIGTERM and a checkpoint.
      LostPeer: if the workers do not come together.
      tf.errors.OpError: if a peer is lost on the way.
    """
    manifest = Manifest.read(spec.manifest_path)
    folder = storage.join(spec.data_root, "training", spec.training_id)
    readers = {split: _reader(spec, manifest, split) for split in ("train", "val")}
    if spec.num_workers > 1:
        cluster.meet_peers(spec.rendezvous, worker, spec.num_workers, spec.peer_wait_seconds)
    strategy = cluster.make_strategy(worker, spec.num_workers, spec.num_threads)
    # Not before: making the strategy, TensorFlow sets a handler of its own. Until here SIGTERM just ends the worker.
    wants_to_stop = _listen_for_sigterm()
    tf.config.experimental.enable_op_determinism()
    watchdog = Watchdog(spec.stall_seconds)
    trainee = _trainee(spec, manifest, worker, strategy, readers, wants_to_stop, watchdog.pat)

    root = trainee.checkpoints_uri
    state = checkpoints.latest_state(root)
    if state is None:
        state = TrainingState()
    else:
        checkpoints.restore(root, trainee.checkpoint, state.checkpoint)
        if worker == 0:
            log("train", f"resumed at epoch {state.epoch + 1}, step {state.step + 1}")
    cluster.check_agreement(strategy, trainee.model, state.global_step)
    state = loop.train(trainee, state)

    # Outside the strategy, so that nothing of it is left in the exported graph.
    model = _build(spec, manifest)
    checkpoints.restore(root, tf.train.Checkpoint(model=model), state.best_checkpoint, partial=True)
    ratio = tfrecords.decoder_ratio(list(manifest.tile_sizes), spec.config.image_size_px)
    classifier = Classifier(model, manifest.bands, spec.config.image_size_px, ratio, spec.label_mode == "single_label")
    export(classifier, storage.join(folder, "export"), worker == 0)
    watchdog.pat()
    if worker == 0:
        num_parameters = sum(int(tf.size(variable.value)) for variable in model.trainable_variables)
        outcome = Outcome(num_parameters=num_parameters, best_epoch=state.best_epoch, history=state.history)
        storage.write_bytes(storage.join(folder, "outcome.json"), outcome.to_json())
    cluster.barrier(strategy)


def _listen_for_sigterm() -> Callable[[], bool]:
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    return lambda: bool(received)


def _reader(spec: WorkerSpec, manifest: Manifest, split: str) -> Reader:
    num_classes = len(manifest.classes)
    single_label = spec.label_mode == "single_label"
    return Reader(
        index=index_split(spec.data_root, manifest.splits[split].shards, num_classes, single_label),
        bands=manifest.bands,
        num_classes=num_classes,
        image_size_px=spec.config.image_size_px,
        ratio=tfrecords.decoder_ratio(list(manifest.tile_sizes), spec.config.image_size_px),
        num_threads=spec.num_threads,
    )


def _build(spec: WorkerSpec, manifest: Manifest) -> Any:
    train = manifest.splits["train"]
    config = spec.config
    return build_model(config.backbone, config.image_size_px, len(manifest.classes), train.band_mean, train.band_std)


def _trainee(
    spec: WorkerSpec,
    manifest: Manifest,
    worker: int,
    strategy: Any,
    readers: dict[str, Reader],
    wants_to_stop: Callable[[], bool],
    pat: Callable[[], None],
) -> Trainee:
    config = spec.config
    keras.utils.set_random_seed(config.seed)
    num_steps = config.epochs * (len(readers["train"].index) // config.global_batch_size)
    with strategy.scope():
        model = _build(spec, manifest)
        optimizer = steps.make_optimizer(config, num_steps)
        optimizer.build(model.trainable_variables)
    train = manifest.splits["train"]
    single_label = spec.label_mode == "single_label"
    weights = objective.class_weights(train.class_tiles, train.num_tiles, single_label)
    positions = order.batch_positions(config.global_batch_size, worker, spec.num_workers)
    return Trainee(
        strategy=strategy,
        model=model,
        optimizer=optimizer,
        checkpoint=tf.train.Checkpoint(model=model, optimizer=optimizer),
        train_step=steps.make_train_step(strategy, model, optimizer, config, weights, positions, single_label),
        validation_step=steps.make_validation_step(strategy, model, weights, single_label),
        train_reader=readers["train"],
        val_reader=readers["val"],
        config=config,
        worker=worker,
        num_workers=spec.num_workers,
        checkpoints_uri=storage.join(spec.data_root, "training", spec.training_id, "checkpoints"),
        wants_to_stop=wants_to_stop,
        pat=pat,
    )
