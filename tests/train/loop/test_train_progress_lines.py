"""The lines of a training that is not there, at times that pass at once."""

from types import SimpleNamespace

import pytest
from curve_points import absent_trainee, clock_at, epoch_metrics

from components.progress import parse_line
from components.train.checkpoint.checkpoints import TrainingState
from components.train.loop import observers
from components.train.loop.observers import ProgressLines
from components.train.loop.when_to_end import TimeBudget
from components.train.settings.config import TrainConfig

EPOCH = epoch_metrics(tiles_per_second=1064.0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    time = SimpleNamespace(seconds=0.0, monotonic=lambda: time.seconds)
    monkeypatch.setattr(observers, "time", time)
    return time


def lines_of(worker: int = 0, max_seconds: float = 0.0) -> ProgressLines:
    config = TrainConfig(global_batch_size=8, epochs=3)
    budget = TimeBudget(max_seconds, 0.0)
    budget.spent = lambda: 40.0  # type: ignore[method-assign]
    return ProgressLines(absent_trainee(config, 10, worker=worker, budget=budget))  # type: ignore[arg-type]


def test_a_line_says_where_how_fast_how_long_and_what_it_waits_for(now, capsys) -> None:
    lines = lines_of()
    now.seconds = 2.0
    lines.steps_done(TrainingState(step=5, global_step=5), 0.5, clock_at(0.5, 1.5, 4))
    now.seconds = 4.0
    lines.steps_done(TrainingState(step=10, global_step=10), 0.25, clock_at(0.5, 3.5, 8))
    now.seconds = 9.0  # the epoch is validated and saved
    lines.epoch_done(EPOCH, is_best=True)
    now.seconds = 11.0
    lines.steps_done(TrainingState(epoch=1, step=4, global_step=14), 0.125, clock_at(0.5, 5.5, 12))

    written = capsys.readouterr().out.splitlines()

    assert written == [
        "train | epoch 1/3 step 5/10 loss 0.500, 16 tiles/s, 25% waiting for input, ETA 0:00:12",
        "train | epoch 1/3 step 10/10 loss 0.250, 16 tiles/s, 0% waiting for input, ETA 0:00:10",
        "train | epoch 1/3 done in 3.0 s, loss 0.750, val loss 0.500, val macro-F1 0.250 (best), 1,064 tiles/s, "
        "6% waiting for input",
        # Of what is left, 16 steps of half a second, and two validations of 5 s.
        "train | epoch 2/3 step 4/10 loss 0.125, 16 tiles/s, 0% waiting for input, ETA 0:00:18",
    ]
    for text in written:
        line = parse_line(text)
        assert line is not None
        assert (line.step, line.kind) == ("train", "progress")


def test_an_epoch_of_a_dense_head_says_how_good_its_maps_are(now, capsys) -> None:
    lines_of().epoch_done(epoch_metrics(val_mean_iou=0.5), is_best=True)
    assert "val macro-F1 0.250, val mean IoU 0.500 (best), 64 tiles/s" in capsys.readouterr().out


def test_lines_are_at_least_two_seconds_apart(now, capsys) -> None:
    lines = lines_of()
    for tenth in range(1, 101):
        now.seconds = tenth / 10
        lines.steps_done(TrainingState(step=1, global_step=1), 0.5, clock_at(0.0, float(tenth), tenth))
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_the_time_left_is_never_more_than_the_budget(now, capsys) -> None:
    lines = lines_of(max_seconds=45.0)
    now.seconds = 2.0
    lines.steps_done(TrainingState(step=5, global_step=5), 0.5, clock_at(0.5, 1.5, 4))
    assert "ETA 0:00:05" in capsys.readouterr().out


def test_nothing_is_said_of_a_rate_before_there_is_one(now, capsys) -> None:
    lines = lines_of()
    now.seconds = 60.0
    lines.steps_done(TrainingState(step=1, global_step=1), 0.5, clock_at(0.0, 0.0, 0))  # it compiled
    assert not capsys.readouterr().out


def test_only_the_chief_speaks(now, capsys) -> None:
    lines = lines_of(worker=1)
    now.seconds = 2.0
    lines.steps_done(TrainingState(step=5, global_step=5), 0.5, clock_at(0.5, 1.5, 4))
    lines.epoch_done(EPOCH, is_best=False)
    lines.out_of_time(TrainingState(step=5, global_step=5))
    assert not capsys.readouterr().out
