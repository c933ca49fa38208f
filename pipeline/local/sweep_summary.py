"""What came of a sweep on this machine: its part of `summary.json`, and a table for people."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.contracts import Sweep
from components.contracts.sweep import TrialValue
from components.printable import printable
from components.sweep.halving import standings
from components.sweep.wording import bracketed, caution, sweep_verdict, values_text
from components.words import number_of


class TrialSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One trial.

    Attributes:
      rung, epochs: The last rung that it finished, from 1, and its epochs; 0 for none.
      val_macro_f1: The mean over the seeds in that rung; None for none.
      interval: Its 95 % interval, of what seeds change; None for a single seed.
      scores: Of each seed, in the order of the seeds.
      training_ids: Of each seed.
      seconds: Of training, over all rungs.
      failure: Why it failed; empty if it did not.
    """

    trial: int
    values: dict[str, TrialValue]
    rung: int
    epochs: int
    val_macro_f1: float | None
    interval: tuple[float, float] | None
    scores: tuple[float, ...]
    training_ids: tuple[str, ...]
    seconds: float
    failure: str


class SweepSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The part of summary.json that a sweep has.

    Attributes:
      trials: The best first.
      verdict: Which is the best, and whether that is more than luck.
      caution: What its score does not say.
    """

    seeds: tuple[int, ...]
    rung_epochs: tuple[int, ...]
    trials: tuple[TrialSummary, ...]
    verdict: str
    caution: str


def summarize_sweep(path: Path) -> SweepSummary:
    """Returns the summary of a sweep from the document that `choose` has written."""
    sweep = Sweep.read(path)
    stand = standings(sweep)
    rows = []
    for each in stand:
        scores = each.result.scores if each.result else ()
        rows.append(
            TrialSummary(
                trial=each.trial.number,
                values=each.trial.values,
                rung=each.rung,
                epochs=sweep.rung_epochs[each.rung - 1] if each.rung else 0,
                val_macro_f1=each.mean if each.rung else None,
                interval=each.interval,
                scores=tuple(score.val_macro_f1 for score in scores),
                training_ids=tuple(score.training_id for score in scores),
                seconds=round(each.seconds, 1),
                failure=each.failure,
            )
        )
    return SweepSummary(
        seeds=sweep.seeds,
        rung_epochs=sweep.rung_epochs,
        trials=tuple(rows),
        verdict=sweep_verdict(sweep, stand),
        caution=caution(sweep),
    )


def print_sweep(console: Console, summary: SweepSummary) -> None:
    """Prints the trials for people to read, the best first."""
    title = f"Trials, the best first, compared on val by the mean of {number_of(len(summary.seeds), 'seed')}"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("trial", "values", "val macro F1", "epochs", "rung", "seconds"):
        table.add_column(name, justify="left" if name == "values" else "right", overflow="fold")
    for each in summary.trials:
        scores = [] if each.val_macro_f1 is None else [f"{each.val_macro_f1:.3f}", bracketed(each.interval)]
        scores += ["failed"] if each.failure else []
        values = [printable(values_text({key: value})) for key, value in each.values.items()]
        # As a Text: what stands in brackets in a string is taken for markup. One below the other, for 80 columns.
        table.add_row(
            str(each.trial),
            Text("\n".join(values)),
            Text("\n".join(filter(None, scores))),
            str(each.epochs or "-"),
            str(each.rung or "-"),
            f"{each.seconds:.0f}",
        )
    console.print()
    console.print(table)
    for each in summary.trials:
        if each.failure:
            console.print(Text(f"trial {each.trial} failed: {printable(each.failure)}"), soft_wrap=True)
    for text in (summary.verdict, summary.caution):
        console.print(Text(printable(text)), soft_wrap=True)
