"""While a sweep runs here, each step counts the time in which a task of its own ran."""

import io

import pytest
from rich.console import Console

from components.progress import parse_line
from pipeline import display
from pipeline.display import STEPS, SWEEP_STEPS, Display

# At a second, a line of the log.
LINES = [
    (0, "trial 1 | started"),
    (1, "train | epoch 1/2 done"),  # by a worker of the trial
    (4, "trial 2 | started"),
    (5, "trial 1 | done in 5.0 s: fine"),
    (9, "trial 2 | done in 5.0 s: fine"),
    (10, "keep | started"),
    (11, "keep | done in 1.0 s"),
    (12, "trial 2 | started"),
    (15, "trial 2 | done in 3.0 s: fine"),
    (16, "keep | started"),
    (17, "keep | done in 1.0 s"),
    (20, "train | started"),
    (22, "train | done in 2.0 s: fine"),
]


def test_a_step_counts_only_while_a_task_of_it_runs(monkeypatch, capsys):
    now, written = [0.0], io.StringIO()
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    shown = Display(Console(file=written), SWEEP_STEPS)

    for second, text in LINES:
        now[0] = float(second)
        shown.show(parse_line(text))

    assert shown.step_seconds == {"trial": 9 + 3, "keep": 2, "train": 2}
    assert "train     epoch 1/2 done" in written.getvalue()
    assert capsys.readouterr().out == ""  # where --json prints one object, and nothing else


def test_the_steps_of_a_sweep_are_those_of_training_and_its_own_in_their_order():
    assert [step for step in SWEEP_STEPS if step in STEPS] == list(STEPS)


@pytest.mark.parametrize("steps", [STEPS, SWEEP_STEPS])
def test_the_table_has_a_row_for_each_step(steps):
    assert Display(Console(file=io.StringIO()), steps)._table().row_count == len(steps)
