"""All by which a training is watched while it works: its clock, its lines, its curves."""

from components.contracts import EpochMetrics
from components.train.checkpoints import TrainingState
from components.train.events import Curves
from components.train.progress_lines import ProgressLines
from components.train.step_clock import LoopTime, StepClock
from components.train.trainee import Trainee


class Watch:
    """Tells the chief's readers how the training goes, and every worker where its time went."""

    def __init__(self, trainee: Trainee, state: TrainingState) -> None:
        self.clock = StepClock()
        self._lines = ProgressLines(trainee)
        self._curves = Curves(trainee, state)
        self._before = LoopTime(), LoopTime()

    def epoch_begins(self, *, compiles: bool) -> None:
        """Notes that an epoch begins, or goes on; whether its first call compiles anew."""
        self._before = self.clock.total, self.clock.compiling
        self.clock.start(compiles=compiles)

    @property
    def epoch_time(self) -> LoopTime:
        """Of this epoch, as far as this process took it: of the calls that did not compile, if there was one."""
        total, compiling = self._before
        time = self.clock.total - total
        return time if time.num_steps else self.clock.compiling - compiling

    def steps_done(self, state: TrainingState, losses: list[float]) -> None:
        """Notes a call of the device, whose last step led to `state`."""
        self.clock.stepped(len(losses))
        self._lines.steps_done(state, losses[-1], self.clock)
        self._curves.steps_done(state, losses, self.clock)

    def out_of_time(self, state: TrainingState) -> None:
        """Notes that training ends within an epoch."""
        self._lines.out_of_time(state)

    def epoch_done(self, metrics: EpochMetrics, is_best: bool) -> None:
        """Notes the end of an epoch, validated and saved."""
        self._lines.epoch_done(metrics, is_best)
        self._curves.epoch_done(metrics)
