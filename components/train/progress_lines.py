"""The lines that the chief writes while a training works: at most one in two seconds, and one per epoch."""

import datetime
import time

from components.contracts import EpochMetrics
from components.progress import log
from components.train.checkpoints import TrainingState
from components.train.trainee import Trainee

_SECONDS = 2.0


class ProgressLines:
    """Writes the chief's lines."""

    def __init__(self, trainee: Trainee, state: TrainingState) -> None:
        self._trainee = trainee
        self._is_chief = trainee.worker == 0
        self._is_first_call = True
        self._first = state.global_step
        self._started = self._last = time.monotonic()

    def steps_done(self, state: TrainingState, loss: float) -> None:
        """Notes that steps were taken, up to `state`, the last of them with this loss."""
        now = time.monotonic()
        if self._is_first_call:
            # It compiles; a rate that counts it would be too low for minutes.
            self._is_first_call = False
            self._started, self._first = now, state.global_step
        elif self._is_chief and now - self._last >= _SECONDS:
            self._last = now
            per_step = (now - self._started) / (state.global_step - self._first)
            config, per_epoch = self._trainee.config, self._trainee.steps_per_epoch
            eta = datetime.timedelta(seconds=round((config.epochs * per_epoch - state.global_step) * per_step))
            log(
                "train",
                f"epoch {state.epoch + 1}/{config.epochs} step {state.step}/{per_epoch} loss {loss:.3f}, "
                f"{config.global_batch_size / per_step:,.0f} tiles/s, ETA {eta}",
            )

    def out_of_time(self, state: TrainingState) -> None:
        """Writes that training ends within an epoch."""
        if self._is_chief:
            where = f"epoch {state.epoch + 1}, step {state.step} of {self._trainee.steps_per_epoch}"
            log("train", f"train_max_seconds is up at {where}; validating what was learned so far")

    def epoch_done(self, metrics: EpochMetrics, is_best: bool) -> None:
        """Writes the epoch's line."""
        if self._is_chief:
            log(
                "train",
                f"epoch {metrics.epoch + 1}/{self._trainee.config.epochs} done in {metrics.seconds:.1f} s, "
                f"loss {metrics.train_loss:.3f}, val loss {metrics.val_loss:.3f}, "
                f"val macro-F1 {metrics.val_macro_f1:.3f}{' (best)' if is_best else ''}",
            )
