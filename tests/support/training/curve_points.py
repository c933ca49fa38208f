"""What a training that is not there has come to: epochs, a clock, and the trainee itself."""

from types import SimpleNamespace

from components.contracts import EpochMetrics
from components.train.loop.step_clock import LoopTime, StepClock
from components.train.settings.config import TrainConfig


def epoch_metrics(epoch: int = 0, **changes: float) -> EpochMetrics:
    """Returns an epoch's numbers, all of them powers of two, so that they are written and read to the bit."""
    numbers = {
        "train_loss": 0.75,
        "val_loss": 0.5,
        "val_macro_f1": 0.25,
        "learning_rate": 0.125,
        "seconds": 3.0,
        "tiles_per_second": 64.0,
        "input_wait_share": 0.0625,
    }
    return EpochMetrics(epoch=epoch, **{**numbers, **changes})


def clock_at(waiting: float, stepping: float, num_steps: int) -> StepClock:
    """Returns a clock that has counted so much."""
    clock = StepClock()
    clock.total = LoopTime(waiting, stepping, num_steps)
    return clock


def absent_trainee(config: TrainConfig, steps_per_epoch: int, **attributes: object) -> SimpleNamespace:
    """Returns what looks like the chief's trainee to those who watch it."""
    num_steps = config.epochs * steps_per_epoch
    return SimpleNamespace(
        **{"worker": 0, "config": config, "steps_per_epoch": steps_per_epoch, "num_steps": num_steps, **attributes}
    )
