"""Builds from a worker's spec what it trains and everything that training needs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Manifest
from components.records import tfrecords
from components.train.checkpoint.checkpoint_writer import CheckpointWriter
from components.train.checkpoint.snapshot import named_variables
from components.train.input import order, sampling
from components.train.input.reader import Reader
from components.train.input.shard_index import index_split
from components.train.loop import unfreezing
from components.train.loop.trainee import Trainee
from components.train.loop.when_to_end import TimeBudget
from components.train.model.model import backbone_of, build_model
from components.train.model.weight_file import load_weights
from components.train.peers import agreement
from components.train.settings.config import TrainConfig
from components.train.settings.published_weights import verified_weights
from components.train.settings.worker_spec import WorkerSpec
from components.train.step import objective, steps
from components.train.step.dense_loss import DenseLoss
from components.train.step.optimizer import Optimizer
from components.train.step.weight_average import WeightAverage

# Keras' names of the precisions. Weights, logits, loss and optimizer are float32 in all of them.
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def make_reader(spec: WorkerSpec, manifest: Manifest, split: str) -> Reader:
    """Returns the reader of a split."""
    num_classes = len(manifest.classes)
    single_label = spec.label_mode == "single_label"
    return Reader(
        index=index_split(spec.data_root, manifest.splits[split], num_classes, single_label),
        bands=spec.bands,
        num_classes=num_classes,
        image_size_px=spec.settings.config.image_size_px,
        ratio=tfrecords.decoder_ratio(list(manifest.tile_sizes), spec.settings.config.image_size_px),
        num_threads=spec.num_threads,
        label_masks=spec.settings.config.is_dense,
    )


def build(spec: WorkerSpec, manifest: Manifest, precision: str) -> Any:
    """Returns the model with random weights; `precision` is one of network.PRECISIONS."""
    keras.config.set_dtype_policy(_POLICIES[precision])
    train = manifest.splits["train"]
    config = spec.settings.config
    num_bands = len(spec.bands)
    return build_model(
        config.backbone,
        config.image_size_px,
        len(manifest.classes),
        train.band_mean[:num_bands],
        train.band_std[:num_bands],
        ndvi=config.bands == "rgb_nir_ndvi",
        is_pretrained=bool(spec.weights_path),
        head=config.head,
    )


@dataclasses.dataclass(frozen=True)
class Trained:
    """The objects whose variables change in training; a checkpoint holds these variables."""

    model: Any
    average: WeightAverage | None
    optimizer: Optimizer

    @classmethod
    def build(cls, spec: WorkerSpec, manifest: Manifest) -> "Trained":
        """Builds the objects in their state before the first step. Call this in the strategy's scope."""
        config = spec.settings.config
        keras.utils.set_random_seed(config.seed)
        model = build(spec, manifest, config.precision)
        if spec.weights_path:
            with verified_weights(spec.data_root, spec.weights_path, config) as path:
                load_weights(backbone_of(model), config.backbone, path, config.weights)
        return cls(model, make_average(spec, model), Optimizer(config, model.trainable_variables))


def make_batch_loss(spec: WorkerSpec, manifest: Manifest) -> objective.Loss:
    """Returns the loss, with the class weights of the dataset."""
    return objective.make_loss(spec.settings.config, _class_weights(spec, manifest), spec.label_mode == "single_label")


def make_dense_loss(spec: WorkerSpec, manifest: Manifest) -> DenseLoss | None:
    """Returns the loss of a dense head's maps, with the same class weights; None for the head "tile"."""
    config = spec.settings.config
    return DenseLoss.of(config, _class_weights(spec, manifest)) if config.is_dense else None


def _class_weights(spec: WorkerSpec, manifest: Manifest) -> NDArray[np.float32]:
    config, train = spec.settings.config, manifest.splits["train"]
    single_label = spec.label_mode == "single_label"
    return objective.class_weights(
        train.class_tiles, train.num_tiles, single_label, config.class_weighting, config.effective_number_beta
    )


def make_writer(spec: WorkerSpec, trained: Trained, is_chief: bool) -> CheckpointWriter:
    """Returns the writer of the training's checkpoints; only the chief's writes anything."""
    return CheckpointWriter(
        storage.join(spec.data_root, "training", spec.training_id, "checkpoints"),
        named_variables(trained.model, trained.average, trained.optimizer),
        keep=spec.settings.keep_checkpoints,
        every_seconds=spec.settings.checkpoint_seconds,
        writes=is_chief,
    )


def lockstep_trainee(
    spec: WorkerSpec,
    manifest: Manifest,
    worker: int,
    strategy: Any,
    readers: dict[str, Reader],
    budget: TimeBudget,
    wants_to_stop: Callable[[], bool],
    pat: Callable[[], None],
) -> Trainee:
    """Returns what this worker trains, and with what, for strategies in which all replicas take every step together."""
    config = spec.settings.config
    with strategy.scope():
        trained = Trained.build(spec, manifest)
    model, average = trained.model, trained.average
    loss, dense = make_batch_loss(spec, manifest), make_dense_loss(spec, manifest)
    num_steps = config.epochs * (len(readers["train"].index) // config.global_batch_size)
    positions = order.batch_positions(config.global_batch_size, worker, spec.settings.num_workers)
    rate_factor = unfreezing.make_rate_factor(model, config)

    def make_train_steps() -> steps.TrainSteps:
        return steps.make_train_steps(
            strategy, model, trained.optimizer, average, config, loss, positions, num_steps, rate_factor, dense
        )

    return Trainee(
        strategy=strategy,
        model=model,
        average=average,
        writer=make_writer(spec, trained, worker == 0),
        train_steps=unfreezing.make_staged_steps(model, config, num_steps // config.epochs, make_train_steps),
        validation_step=steps.make_validation_step(
            strategy,
            model,
            loss,
            len(manifest.classes),
            spec.label_mode == "single_label",
            spec.settings.num_workers,
            dense,
        ),
        train_reader=readers["train"],
        val_reader=readers["val"],
        sampling_weights=make_sampling_weights(config, readers["train"]),
        config=config,
        worker=worker,
        num_workers=spec.settings.num_workers,
        steps_per_call=config.steps_per_call,
        events_uri=storage.join(spec.data_root, "training", spec.training_id, "events"),
        budget=budget,
        wants_to_stop=wants_to_stop,
        settle=lambda: None,  # batch normalisation is synchronized, so its statistics are already the same everywhere
        check_agreement=agreement.make_agreement_check(strategy, model, spec.settings.num_workers),
        pat=pat,
    )


def make_average(spec: WorkerSpec, model: Any) -> WeightAverage | None:
    """Returns the average of the model's weights, or None if the settings ask for none."""
    decay = spec.settings.config.ema_decay
    return WeightAverage(decay, model.trainable_variables) if decay else None


def make_sampling_weights(config: TrainConfig, reader: Reader) -> NDArray[np.float64] | None:
    """Returns how often an epoch reads each record, [N]; None if once each."""
    if config.sampling == "shuffle":
        return None
    labels = reader.index.labels(reader.num_classes)
    return sampling.sampling_weights(labels, config.sampling, config.effective_number_beta)
