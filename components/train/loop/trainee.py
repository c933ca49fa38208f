"""Everything that the training loop of one worker works with."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.train.checkpoint.checkpoint_writer import CheckpointWriter
from components.train.input.reader import Reader
from components.train.loop.step_clock import StepClock
from components.train.loop.when_to_end import TimeBudget
from components.train.peers import cluster
from components.train.settings.config import TrainConfig
from components.train.step.steps import TrainSteps, ValidationStep, Wishes
from components.train.step.weight_average import WeightAverage


@dataclasses.dataclass(frozen=True)
class Trainee:
    """What one worker trains, and with what.

    Attributes:
      average: Average of the weights, if validation and export use it; else None.
      writer: Writes the checkpoints.
      sampling_weights: How often an epoch reads each record, [N]; None if once each.
      steps_per_call: Steps between two checks of the workers' wishes; 0 lets the loop choose, see pace.py.
      events_uri: Folder of the curves for TensorBoard.
      budget: The time budget; the chief's decides when time is up.
      wants_to_stop: Returns whether this worker was asked to stop.
      settle: Called at the end of an epoch, before the weights are used.
      check_agreement: Called with the global step before a checkpoint; raises LostPeer if replicas have diverged.
      pat: Called after every call of the device, for the watchdog.
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
        """Number of full global batches in the train split."""
        return len(self.train_reader.index) // self.config.global_batch_size

    @property
    def num_steps(self) -> int:
        """Number of steps over all epochs."""
        return self.config.epochs * self.steps_per_epoch

    def expect_end(self, clock: StepClock) -> None:
        """Sets aside what follows the steps: a first validation takes less than as many steps, and compiling them."""
        if clock.total.num_steps:
            num_batches = math.ceil(len(self.val_reader.index) / self.config.global_batch_size)
            seconds = num_batches / clock.total.steps_per_second + clock.compiling.seconds / 2
            self.budget.expect(seconds, clock.compiling.seconds)

    def wishes(self) -> Wishes:
        """Returns what this worker wants; only the chief watches the time."""
        return Wishes(
            stop=float(self.wants_to_stop()),
            finish=float(self.worker == 0 and self.budget.is_spent()),
            save=float(self.writer.is_due()),
        )

    def wishes_of_all(self) -> Wishes:
        """Returns the wishes of all workers, the same on each of them; all workers must call this together."""
        return Wishes(*cluster.add_up(self.strategy, dataclasses.astuple(self.wishes())))
