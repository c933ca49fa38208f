"""What one worker does, from its spec to its part of the export."""

import signal
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components import storage, tfrecords
from components.contracts import Manifest
from components.progress import log
from components.train import checkpoints, cluster, loop, objective, order, sampling, stages, steps
from components.train.averaging import WeightAverage
from components.train.checkpoints import TrainingState
from components.train.config import TrainConfig
from components.train.config_checks import PRECISIONS
from components.train.export import Classifier, export
from components.train.lifeline import Watchdog
from components.train.model import backbone_of, build_model
from components.train.optimizer import Optimizer
from components.train.pretrained import verified_weights
from components.train.reader import Reader
from components.train.shard_index import index_split
from components.train.spec import Outcome, WorkerSpec
from components.train.time_budget import TimeBudget
from components.train.trainee import Trainee
from components.train.weight_file import load_weights


def run_worker(spec: WorkerSpec, worker: int) -> None:
    """Trains, and as the chief writes `export/` and `outcome.json` to the training's folder.

    Raises:
      DataError: for damaged shards or a loss that is not a number.
      Stopped: after SIGTERM and a checkpoint.
      LostPeer: if the workers do not come together.
      tf.errors.OpError: if a peer is lost on the way.
    """
    budget = TimeBudget(spec.max_seconds, time.monotonic())
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
    trainee = _trainee(spec, manifest, worker, strategy, readers, budget, wants_to_stop, watchdog.pat)

    root = trainee.checkpoints_uri
    state = checkpoints.latest_state(root)
    if state is None:
        state = TrainingState()
    else:
        checkpoints.restore(root, trainee.checkpoint, state.checkpoint)
        budget.resume(state.seconds)
        if worker == 0:
            log("train", f"resumed at epoch {state.epoch + 1}, step {state.step + 1}")
    cluster.check_agreement(strategy, trainee.model, state.global_step)
    state, ended_by = loop.train(trainee, state)

    # Outside the strategy, so that nothing of it is left in the exported graph.
    model = _build(spec, manifest, "float32")
    average = _average(spec, model)
    checkpoints.restore(root, _checkpoint(model, average), state.best_checkpoint, partial=True)
    if average is not None:
        average.copy_to_model()
    ratio = tfrecords.decoder_ratio(list(manifest.tile_sizes), spec.config.image_size_px)
    classifier = Classifier(model, spec.bands, spec.config.image_size_px, ratio, spec.label_mode == "single_label")
    export(classifier, storage.join(folder, "export"), worker == 0)
    watchdog.pat()
    if worker == 0:
        num_parameters = sum(int(tf.size(variable.value)) for variable in model.trainable_variables)
        outcome = Outcome(
            num_parameters=num_parameters, ended_by=ended_by, best_epoch=state.best_epoch, history=state.history
        )
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
        bands=spec.bands,
        num_classes=num_classes,
        image_size_px=spec.config.image_size_px,
        ratio=tfrecords.decoder_ratio(list(manifest.tile_sizes), spec.config.image_size_px),
        num_threads=spec.num_threads,
    )


def _build(spec: WorkerSpec, manifest: Manifest, precision: str) -> Any:
    keras.config.set_dtype_policy(PRECISIONS[precision])
    train = manifest.splits["train"]
    config = spec.config
    num_bands = len(spec.bands)
    return build_model(
        config.backbone,
        config.image_size_px,
        len(manifest.classes),
        train.band_mean[:num_bands],
        train.band_std[:num_bands],
        ndvi=config.bands == "rgb_nir_ndvi",
        is_pretrained=bool(spec.weights_path),
    )


def _trainee(
    spec: WorkerSpec,
    manifest: Manifest,
    worker: int,
    strategy: Any,
    readers: dict[str, Reader],
    budget: TimeBudget,
    wants_to_stop: Callable[[], bool],
    pat: Callable[[], None],
) -> Trainee:
    config = spec.config
    keras.utils.set_random_seed(config.seed)
    num_steps = config.epochs * (len(readers["train"].index) // config.global_batch_size)
    with strategy.scope():
        model = _build(spec, manifest, config.precision)
        if spec.weights_path:
            with verified_weights(spec.data_root, spec.weights_path) as path:
                load_weights(backbone_of(model), config.backbone, path, config.weights)
        optimizer = Optimizer(config, model.trainable_variables)
        average = _average(spec, model)
    train = manifest.splits["train"]
    single_label = spec.label_mode == "single_label"
    weights = objective.class_weights(
        train.class_tiles, train.num_tiles, single_label, config.class_weighting, config.effective_number_beta
    )
    loss = objective.make_loss(config, weights, single_label)
    positions = order.batch_positions(config.global_batch_size, worker, spec.num_workers)
    rate_factor = stages.make_rate_factor(model, config)

    def make_train_steps() -> steps.TrainSteps:
        return steps.make_train_steps(
            strategy, model, optimizer, average, config, loss, positions, num_steps, rate_factor
        )

    return Trainee(
        strategy=strategy,
        model=model,
        average=average,
        checkpoint=_checkpoint(model, average, optimizer=optimizer),
        train_steps=stages.make_staged_steps(model, config, num_steps // config.epochs, make_train_steps),
        validation_step=steps.make_validation_step(strategy, model, loss, len(weights), single_label),
        train_reader=readers["train"],
        val_reader=readers["val"],
        sampling_weights=_sampling_weights(config, readers["train"]),
        config=config,
        worker=worker,
        num_workers=spec.num_workers,
        checkpoints_uri=storage.join(spec.data_root, "training", spec.training_id, "checkpoints"),
        budget=budget,
        wants_to_stop=wants_to_stop,
        pat=pat,
    )


def _average(spec: WorkerSpec, model: Any) -> WeightAverage | None:
    return WeightAverage(spec.config.ema_decay, model.trainable_variables) if spec.config.ema_decay else None


def _checkpoint(model: Any, average: WeightAverage | None, **others: Any) -> Any:
    return tf.train.Checkpoint(model=model, **({} if average is None else {"average": average}), **others)


def _sampling_weights(config: TrainConfig, reader: Reader) -> NDArray[np.float64] | None:
    if config.sampling == "shuffle":
        return None
    labels = sampling.read_labels(reader.index, reader.num_classes)
    return sampling.sampling_weights(labels, config.sampling, config.effective_number_beta)
