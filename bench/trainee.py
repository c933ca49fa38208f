"""Trains on the bench's dataset with the project's reader and steps, without epochs, validation or checkpoints."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.dataset import Dataset
from components.measuring.turns import Turn
from components.train.input import order
from components.train.input.reader import Batch
from components.train.model.model import build_model
from components.train.settings.config import TrainConfig
from components.train.step import objective, steps
from components.train.step.optimizer import Optimizer

_NUM_STEPS = 1_000_000  # for the schedule: more than any run takes
_WARM_CALLS = 4  # one more than the batches that are ready when a turn begins


class BenchTrainee:
    """One worker."""

    def __init__(
        self, dataset: Dataset, config: TrainConfig, strategy: Any = None, worker: int = 0, num_workers: int = 1
    ) -> None:
        self._dataset, self._config, self._worker, self._num_workers = dataset, config, worker, num_workers
        self._steps_per_call = config.steps_per_call or 1
        self._step = 0
        train, num_classes = dataset.manifest.splits["train"], len(dataset.manifest.classes)
        strategy = strategy or tf.distribute.get_strategy()
        keras.utils.set_random_seed(0)
        with strategy.scope():
            self.model = build_model(
                config.backbone, config.image_size_px, num_classes, train.band_mean, train.band_std
            )
            self.optimizer = Optimizer(config, self.model.trainable_variables)
        self._take_steps = steps.make_train_steps(
            strategy,
            self.model,
            self.optimizer,
            None,
            config,
            objective.make_loss(config, np.ones(num_classes, np.float32), single_label=False),
            order.batch_positions(config.global_batch_size, worker, num_workers),
            _NUM_STEPS,
        )

    def batches(self, num_threads: int) -> Iterator[Batch]:
        """Yields this worker's batches endlessly, read from the shards as in training."""
        return self._dataset.batches(
            num_threads, self._config.image_size_px, self._config.global_batch_size, self._worker, self._num_workers
        )

    def take(self, batches: Iterator[Batch], num_calls: int) -> float:
        """Takes the steps of `num_calls` calls and returns the time in seconds."""
        start = time.perf_counter()
        for _ in range(num_calls):
            group = [next(batches) for _ in range(self._steps_per_call)]
            self._take_steps(group, self._step, steps.Wishes())
            self._step += len(group)
        return time.perf_counter() - start

    def turn(self, batches: Iterator[Batch], num_calls: int) -> float:
        """Returns the rate of `num_calls` calls in tiles/s over all workers, after some that do not count."""
        self.take(batches, _WARM_CALLS)
        num_tiles = num_calls * self._steps_per_call * self._config.global_batch_size
        return num_tiles / self.take(batches, num_calls)


def limit_threads(num_threads: int) -> None:
    """Sets the number of TensorFlow's threads; call it before the first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)


def lazy_turn(make: Callable[[], tuple[BenchTrainee, Iterator[Batch]]], num_calls: int) -> Turn:
    """Returns a turn of what `make` returns; made in the first turn, so not in the process of the other side."""
    made: list[tuple[BenchTrainee, Iterator[Batch]]] = []

    def turn() -> float:
        if not made:
            made.append(make())
        trainee, batches = made[0]
        return trainee.turn(batches, num_calls)

    return turn
