"""What the first step of a sweep does: it proposes the trials, and says in Markdown what the sweep will do."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from components.contracts import Sweep
from components.errors import SettingsError
from components.markdown import bullets, code, markdown_table, plain, write_markdown
from components.sweep.entries import entries
from components.sweep.halving import num_kept
from components.sweep.settings import OPTIONS
from components.sweep.wording import values_text
from components.words import number_of
from pipeline.form import flat_values
from pipeline.parameters import Parameters
from pipeline.sweep_form import propose_sweep, sweep_settings

_MOST_ROWS = 16
# Keys of train_config whose share of a training depends on its length.
_IN_EPOCHS = ("freeze_epochs", "unfreeze_every_epochs", "early_stopping_patience")


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What the first rung trains.

    Attributes:
      entries: Of its loop.
      line: What the sweep does, in short.
    """

    entries: list[str]
    line: str


def propose_trials(
    given: Mapping[str, Any], search: Mapping[str, Any], options: Mapping[str, Any], sweep_path: str, plan_path: str
) -> Proposal:
    """Writes the sweep and the plan; returns what to train first.

    Args:
      given: The fields of the run form that training depends on.
      search, options: The fields of the sweep.

    Raises:
      SettingsError: if it cannot work; the reason is written to the plan, too.
    """
    try:
        sweep = propose_sweep(Parameters(**flat_values(given)), sweep_settings(search, options))
    except SettingsError as error:
        write_markdown(plan_path, ["# This sweep cannot succeed", f"{plain(str(error))}."])
        raise
    sweep.write(sweep_path)
    write_markdown(plan_path, sweep_plan_blocks(sweep))
    return Proposal(entries(sweep, 1), sweep_line(sweep))


def sweep_line(sweep: Sweep) -> str:
    """Returns what a sweep does, in one line."""
    rungs = " → ".join(f"{trials} x {epochs}" for trials, epochs in _rungs(sweep))
    return (
        f"{number_of(len(sweep.trials), 'trial')} of {', '.join(sweep.search)}, with "
        f"{number_of(len(sweep.seeds), 'seed')} each; trials x epochs: {rungs}"
    )


def sweep_plan_blocks(sweep: Sweep) -> Iterator[str]:
    """Yields the blocks of the plan."""
    rungs = list(_rungs(sweep))
    num_seeds = len(sweep.seeds)
    yield "# What this sweep does"
    yield bullets(
        [
            ("Trials", f"{len(sweep.trials)}, which vary {', '.join(map(code, sweep.search))}"),
            ("Seeds", f"{num_seeds}, from {sweep.seeds[0]}"),
            *(
                (f"Rung {number}", f"{number_of(trials, 'trial')} for {number_of(epochs, 'epoch')}")
                for number, (trials, epochs) in enumerate(rungs, start=1)
            ),
            (
                "In all",
                f"{num_seeds * sum(trials for trials, _ in rungs):,} trainings, together "
                f"{num_seeds * sum(trials * epochs for trials, epochs in rungs):,} epochs",
            ),
        ]
    )
    rows = [(str(each.number), code(values_text(each.values))) for each in sweep.trials[:_MOST_ROWS]]
    yield markdown_table(("trial", "values"), rows)
    if (more := len(sweep.trials) - _MOST_ROWS) > 0:
        yield f"And {more} more."
    counted = [key for key in sweep.search if key in _IN_EPOCHS]
    if counted and len(rungs) > 1:
        yield (
            f"**Counted in epochs**: {', '.join(map(code, counted))}, which means more in the short trainings of "
            f"the first rung than in the last. {code('num_rungs')} of {code(OPTIONS)} set to 1 trains every trial to "
            "the end."
        )


def _rungs(sweep: Sweep) -> Iterator[tuple[int, int]]:
    """Yields the trials and the epochs of each rung."""
    num_trials = len(sweep.trials)
    for epochs in sweep.rung_epochs:
        yield num_trials, epochs
        num_trials = num_kept(num_trials, sweep.reduction)
