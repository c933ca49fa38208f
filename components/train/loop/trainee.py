"""Everything that the training loop of one worker works with."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.train.checkpoint.checkpoint_writer import CheckpointWriter
from components.train.input.reader import Reader
from components.train.loop.when_to_end import TimeBudget
from components.train.peers import cluster
from components.train.settings.config import TrainConfig
from components.train.step.steps import TrainSteps, ValidationStep, Wishes
from components.train.step.weight_average import WeightAverage


@dataclasses.dataclass(frozen=True)
class Trainee:
    """What one worker trains, and with what.

    Attributes:
      average: Of the weights, if validation and export are to use it.
      writer: Writes the checkpoints of all of these.
      sampling_weights: How often an epoch reads each record, [N]; None if once.
      steps_per_call: Steps between two looks at what is wished.
      events_uri: Folder of the curves for TensorBoard.
      budget: The chief's says when time is up.
      wants_to_stop: Tells whether this worker was asked to stop.
      settle: Called before the weights are looked at, at the end of an epoch.
      check_agreement: Called with the global step before a checkpoint; raises LostPeer if replicas have gone apart.
      pat: Called after every step, for the watchdog.
    """

    strategy: Any
    model: Any
    average: WeightAverage | None
    writer: CheckpointWriter
    train_steps: TrainSteps
    validation_step: ValidationStep
    train_reader: Reader
    val_reader: Reader
    sampling_weights: NDArray[np.float64] | None
    config: TrainConfig
    worker: int
    num_workers: int
    steps_per_call: int
    events_uri: str
    budget: TimeBudget
    wants_to_stop: Callable[[], bool]
    settle: Callable[[], None]
    check_agreement: Callable[[int], None]
    pat: Callable[[], None]

    @property
    def steps_per_epoch(self) -> int:
        """Whole global batches in the train split."""
        return len(self.train_reader.index) // self.config.global_batch_size

    @property
    def num_steps(self) -> int:
        """Over all epochs."""
        return self.config.epochs * self.steps_per_epoch

    def wishes(self) -> Wishes:
        """Returns what this worker wants; the time is kept by the chief alone."""
        return Wishes(
            stop=float(self.wants_to_stop()),
            finish=float(self.worker == 0 and self.budget.is_spent()),
            save=float(self.writer.is_due()),
        )

    def wishes_of_all(self) -> Wishes:
        """Returns what any worker wants, the same at all of them, who call this at the same time."""
        return Wishes(*cluster.add_up(self.strategy, dataclasses.astuple(self.wishes())))
