"""Asynchronous training: parameter servers hold the weights, and each worker updates them when it is ready.

A worker's gradient belongs to weights that others have changed meanwhile: the *delayed* gradient of the literature;
lockstep strategies use the *averaged* one. As in lockstep, every tile is read once per epoch, and at the same step. A
lost worker stops no other: its part of a batch goes to another worker, even if it was half applied. Unlike in lockstep,
weights differ from run to run and between numbers of workers.

The chief hands out the work, validates and writes checkpoints, with the same loop as lockstep training.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components import storage
from components.contracts import Manifest
from components.errors import DataError
from components.train.checkpoint.snapshot import named_variables
from components.train.input.graph_reader import PlaceReader, read_tiles
from components.train.input.reader import Reader
from components.train.loop import unfreezing
from components.train.loop.trainee import Trainee
from components.train.loop.when_to_end import TimeBudget
from components.train.settings.worker_spec import WorkerSpec
from components.train.step import steps
from components.train.step.dense_loss import DenseLoss
from components.train.step.schedule import learning_rate
from components.train.step.steps import TrainSteps, Wishes
from components.train.worker.assembly import (
    Trained,
    build,
    make_average,
    make_batch_loss,
    make_dense_loss,
    make_sampling_weights,
    make_writer,
)

_IS_OF_DATA = re.compile(
    r"corrupted record|truncated record|No such file|JPEG|jpeg|PNG|png|not of one size|image data|exceeds a limit"
    r"|Can't parse serialized|is required but could not be found"
)
_STEPS_PER_CALL = 8  # at least, because all workers wait for the slowest between two calls


def connect() -> Any:
    """Returns the coordinator of the cluster in TF_CONFIG, whose servers must already run."""
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    return tf.distribute.coordinator.ClusterCoordinator(tf.distribute.ParameterServerStrategy(resolver))


def asynchronous_trainee(
    spec: WorkerSpec,
    manifest: Manifest,
    coordinator: Any,
    readers: dict[str, Reader],
    budget: TimeBudget,
    wants_to_stop: Callable[[], bool],
    pat: Callable[[], None],
) -> Trainee:
    """Returns what the chief trains, and with what.

    There are two copies of the model: the trained one has its variables on the parameter servers; the chief's own one
    receives their values for validation.
    """
    config = spec.settings.config
    with coordinator.strategy.scope():
        trained = Trained.build(spec, manifest)
    model = build(spec, manifest, config.precision)
    average = make_average(spec, model)
    own, remote = named_variables(model, average), named_variables(trained.model, trained.average)

    def settle() -> None:
        for name, variable in own.items():
            variable.assign(remote[name].numpy())

    loss, dense = make_batch_loss(spec, manifest), make_dense_loss(spec, manifest)
    reader = readers["train"]
    num_steps = config.epochs * (len(reader.index) // config.global_batch_size)
    rate_factor = unfreezing.make_rate_factor(trained.model, config)

    def make_train_steps() -> TrainSteps:
        return make_asynchronous_steps(spec, coordinator, trained, loss, dense, reader, num_steps, rate_factor)

    here = tf.distribute.get_strategy()
    return Trainee(
        strategy=here,
        model=model,
        average=average,
        writer=make_writer(spec, trained, is_chief=True),
        train_steps=unfreezing.make_staged_steps(trained.model, config, num_steps // config.epochs, make_train_steps),
        validation_step=steps.make_validation_step(
            here, model, loss, len(manifest.classes), spec.label_mode == "single_label", dense=dense
        ),
        train_reader=PlaceReader(**{field.name: getattr(reader, field.name) for field in dataclasses.fields(reader)}),
        val_reader=readers["val"],
        sampling_weights=make_sampling_weights(config, reader),
        config=config,
        worker=0,
        num_workers=1,
        steps_per_call=max(config.steps_per_call, _STEPS_PER_CALL),
        events_uri=storage.join(spec.data_root, "training", spec.training_id, "events"),
        budget=budget,
        wants_to_stop=wants_to_stop,
        settle=settle,
        check_agreement=lambda global_step: None,  # there is only one copy of the weights
        pat=pat,
    )


def make_asynchronous_steps(
    spec: WorkerSpec,
    coordinator: Any,
    trained: Trained,
    loss: Any,
    dense: DenseLoss | None,
    reader: Reader,
    num_steps: int,
    rate_factor: Callable[[Any], float],
) -> TrainSteps:
    """Returns a function that makes the workers take the steps of several global batches, and waits for all of them.

    Each worker processes its part of a global batch independently, with the same fraction of the learning rate, so that
    together they move the weights as far as one lockstep step.
    """
    config, num_workers = spec.settings.config, spec.settings.num_workers
    num_tiles = config.global_batch_size // num_workers
    take_step = steps.make_replica_step(
        trained.model, trained.optimizer, trained.average, config, loss, num_tiles, rate_factor, dense
    )

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec([num_tiles], tf.string),
            tf.TensorSpec([num_tiles], tf.int64),
            tf.TensorSpec([num_tiles], tf.int32),
            tf.TensorSpec([], tf.int64),
            tf.TensorSpec([], tf.float32),
        ],
        autograph=False,
    )
    def work(uris: Any, offsets: Any, positions: Any, global_step: Any, rate: Any) -> Any:
        tiles = read_tiles(
            uris,
            offsets,
            num_tiles,
            reader.bands,
            reader.num_classes,
            reader.image_size_px,
            reader.ratio,
            reader.label_masks,
        )
        return coordinator.strategy.run(take_step, args=(*tiles, positions, global_step, rate))

    def take_steps(batches: Sequence[Any], global_step: int, wishes: Wishes) -> tuple[list[float], Wishes]:
        results = []
        for step, places in enumerate(batches, global_step):
            rate = tf.constant(learning_rate(config, step, num_steps) / num_workers, tf.float32)
            for positions in np.split(np.arange(config.global_batch_size, dtype=np.int32), num_workers):
                args = (places.uris[positions], places.offsets[positions], positions)
                tensors = (*map(tf.constant, args), tf.constant(step, tf.int64), rate)
                results.append(coordinator.schedule(work, args=tensors))
        try:
            coordinator.join()
            losses = [float(result.fetch()) for result in results]
        except tf.errors.OpError as error:
            refuse_damage(error, reader, np.concatenate([places.records for places in batches]))
            raise
        return np.reshape(losses, (len(batches), num_workers)).mean(axis=1).tolist(), wishes

    return take_steps


def refuse_damage(error: tf.errors.OpError, reader: Reader, records: NDArray[np.int64]) -> None:
    """Refuses the dataset if a worker failed because of a tile; other errors come from the cluster, and may not repeat.

    Args:
      reader: Of the train split.
      records: What the worker was to read, or more.

    Raises:
      DataError: If it is so; names shard and record.
    """
    for line in str(error.message).splitlines():
        if _IS_OF_DATA.search(line):
            reader.require_readable(records)
            raise DataError(f"cannot read a tile: {line.strip()[:300]}; run the shard step again") from error
