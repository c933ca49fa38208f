"""Reports on a training while it runs: its clock, its log lines and its curves."""

import datetime
import time

from components.contracts import EpochMetrics
from components.progress import log
from components.train.checkpoint.checkpoints import TrainingState
from components.train.loop.step_clock import LoopTime, StepClock
from components.train.loop.tensorboard import Curves
from components.train.loop.trainee import Trainee


class Observers:
    """Writes the chief's log lines and curves, and measures on every worker where its time goes."""

    def __init__(self, trainee: Trainee, state: TrainingState) -> None:
        self.clock = StepClock()
        self._lines = ProgressLines(trainee)
        self._curves = Curves(trainee, state)
        self._before = LoopTime(), LoopTime()

    def epoch_begins(self, *, compiles: bool) -> None:
        """Records the start or continuation of an epoch; `compiles` says whether its first call compiles."""
        self._before = self.clock.total, self.clock.compiling
        self.clock.start(compiles=compiles)

    @property
    def epoch_time(self) -> LoopTime:
        """This process's time in this epoch, without calls that compiled, unless there were no others."""
        total, compiling = self._before
        time = self.clock.total - total
        return time if time.num_steps else self.clock.compiling - compiling

    def steps_done(self, state: TrainingState, losses: list[float]) -> None:
        """Records a call of the device, whose last step led to `state`."""
        self.clock.stepped(len(losses))
        self._lines.steps_done(state, losses[-1], self.clock)
        self._curves.steps_done(state, losses, self.clock)

    def out_of_time(self, state: TrainingState) -> None:
        """Records that training ends within an epoch."""
        self._lines.out_of_time(state)

    def epoch_done(self, metrics: EpochMetrics, is_best: bool) -> None:
        """Records the end of an epoch, after validation and checkpoint."""
        self._lines.epoch_done(metrics, is_best)
        self._curves.epoch_done(metrics)


_SECONDS = 2.0


class ProgressLines:
    """Writes the chief's progress lines."""

    def __init__(self, trainee: Trainee) -> None:
        self._trainee = trainee
        self._is_chief = trainee.worker == 0
        self._said = time.monotonic()
        self._last = LoopTime()  # the clock's total at the last line
        self._stepped = time.monotonic()
        self._between_epochs = 0.0  # seconds that the last validation and checkpoint took

    def steps_done(self, state: TrainingState, loss: float, clock: StepClock) -> None:
        """Writes a line about the steps up to `state`, at most every few seconds; `loss` is the last step's."""
        self._stepped = time.monotonic()
        stretch = clock.total - self._last
        if not self._is_chief or not stretch.num_steps or self._stepped - self._said < _SECONDS:
            return
        self._said, self._last = self._stepped, clock.total
        config, per_epoch = self._trainee.config, self._trainee.steps_per_epoch
        log(
            "train",
            f"epoch {state.epoch + 1}/{config.epochs} step {state.step}/{per_epoch} loss {loss:.3f}, "
            f"{stretch.steps_per_second * config.global_batch_size:,.0f} tiles/s, "
            f"{stretch.input_wait_share:.0%} waiting for input, ETA {self._eta(state, clock)}",
        )

    def _eta(self, state: TrainingState, clock: StepClock) -> datetime.timedelta:
        """Returns the expected remaining time at the rate so far; early stopping may shorten it."""
        steps_left = self._trainee.num_steps - state.global_step
        validations_left = self._trainee.config.epochs - state.epoch
        seconds = steps_left / clock.total.steps_per_second + validations_left * self._between_epochs
        seconds = min(seconds, max(self._trainee.budget.seconds_left(), 0.0))
        return datetime.timedelta(seconds=round(seconds))

    def out_of_time(self, state: TrainingState) -> None:
        """Writes a line that time, or money, is up within an epoch."""
        if self._is_chief:
            where = f"epoch {state.epoch + 1}, step {state.step} of {self._trainee.steps_per_epoch}"
            log("train", f"train_{self._trainee.budget.limit} is up at {where}; validating what was learned so far")

    def epoch_done(self, metrics: EpochMetrics, is_best: bool) -> None:
        """Writes the epoch's line."""
        self._between_epochs = time.monotonic() - self._stepped
        if self._is_chief:
            log(
                "train",
                f"epoch {metrics.epoch + 1}/{self._trainee.config.epochs} done in {metrics.seconds:.1f} s, "
                f"loss {metrics.train_loss:.3f}, val loss {metrics.val_loss:.3f}, "
                f"val macro-F1 {metrics.val_macro_f1:.3f}{_mean_iou(metrics)}{' (best)' if is_best else ''}, "
                f"{metrics.tiles_per_second:,.0f} tiles/s, {metrics.input_wait_share:.0%} waiting for input",
            )


def _mean_iou(metrics: EpochMetrics) -> str:
    return "" if metrics.val_mean_iou is None else f", val mean IoU {metrics.val_mean_iou:.3f}"
