"""The report of a sweep: a verdict, a table of the trials, and for each key how the score goes with its value."""

import statistics
from collections.abc import Sequence

from components import report
from components.contracts import Sweep
from components.contracts.sweep import TrialValue
from components.sweep.halving import TrialStanding, standings
from components.sweep.space import Choice, Space, Span, read_space
from components.sweep.wording import bracketed, caution, sweep_verdict, value_text, values_text
from components.words import NOTHING, Number, number_of

_GREEN, _GREY = "#1b7f4d", "#7a8b80"
_LONGEST_NAME = 18  # of a value below an axis
_MOST_FAILURES = 10  # that are told in words


def write_sweep_report(sweep: Sweep, path: str) -> None:
    """Writes it as an HTML page, which fits a frame of 400 pixels."""
    stand = standings(sweep)
    failed = [each for each in stand if each.failure]
    blocks = [
        report.paragraph(sweep_verdict(sweep, stand)),
        report.paragraph(caution(sweep)),
        report.heading("Trials"),
        report.table(
            ("trial", "val F1", "epochs", "rung", "seconds"),
            [_row(sweep, each) for each in stand],
        ),
        report.paragraph(
            f"The best first. val F1: the mean of the macro F1 on val, at threshold 0.5, over {_seeds(sweep)}, with "
            f"its 95 % interval below, in the last rung that the trial finished. Rungs: {_rungs(sweep)}. Scores of "
            "different rungs do not compare, since more epochs raise them. seconds: of training, over all rungs."
        ),
        *(_failures(failed) if failed else []),
        report.heading("Values and scores"),
        report.paragraph(
            f"After {number_of(sweep.rung_epochs[0], 'epoch')}, which all trials had. A point is a trial, at its mean"
            + ("; green ones went on to the last rung." if len(sweep.rung_epochs) > 1 else ".")
        ),
        *_figures(sweep, stand),
    ]
    report.write_page(path, "Sweep", blocks)


def _seeds(sweep: Sweep) -> str:
    return number_of(len(sweep.seeds), "seed")


def _rungs(sweep: Sweep) -> str:
    in_rung = [sum(each.rung == rung for each in sweep.results) for rung in range(1, len(sweep.rung_epochs) + 1)]
    return ", then ".join(
        f"{number_of(count, 'trial')} for {number_of(epochs, 'epoch')}"
        for count, epochs in zip(in_rung, sweep.rung_epochs, strict=True)
    )


def _row(sweep: Sweep, each: TrialStanding) -> list[object]:
    name = (str(each.trial.number), values_text(each.trial.values))
    if not each.rung:
        return [name, ("failed", ""), NOTHING, NOTHING, Number(f"{each.seconds:,.0f}")]
    remark = bracketed(each.interval) + (" then failed" if each.failure else "")
    return [
        name,
        (Number(f"{each.mean:.3f}"), remark.strip()),
        sweep.rung_epochs[each.rung - 1],
        each.rung,
        Number(f"{each.seconds:,.0f}"),
    ]


def _failures(failed: Sequence[TrialStanding]) -> list[str]:
    more = len(failed) - _MOST_FAILURES
    return [
        report.subheading("Failed", "Other trials went on without them."),
        *(report.paragraph(f"Trial {each.trial.number}: {each.failure}") for each in failed[:_MOST_FAILURES]),
        *([report.paragraph(f"And {more} more.")] if more > 0 else []),
    ]


def _figures(sweep: Sweep, stand: Sequence[TrialStanding]) -> list[str]:
    """Returns a figure for each key; a panel with one point would say nothing."""
    first = {each.trial: statistics.fmean(score.val_macro_f1 for score in each.scores)
             for each in sweep.results if each.rung == 1 and not each.failure}  # fmt: skip
    if len(first) < 2:
        return [report.paragraph("Too few trials finished to compare their values.")]
    went_on = {each.trial.number for each in stand if each.rung == len(sweep.rung_epochs)}
    space: Space = read_space(sweep.search)
    found = [(trial.values, first[trial.number], trial.number in went_on) for trial in sweep.trials
             if trial.number in first]  # fmt: skip
    return [
        _figure(key, each, [(values[key], score, is_last) for values, score, is_last in found])
        for key, each in space.items()
    ]


def _figure(key: str, each: Choice | Span, points: Sequence[tuple[TrialValue, float, bool]]) -> str:
    # Imported here because it takes a second, and trials need none.
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(5, 2.2), layout="constrained")
    axes = figure.subplots()
    names = [value_text(value) for value in each.values] if isinstance(each, Choice) else []
    for is_last, colour in ((False, _GREY), (True, _GREEN)):
        own = [(value, score) for value, score, last in points if last is is_last]
        places = [names.index(value_text(value)) if names else float(value) for value, _ in own]
        axes.scatter(places, [score for _, score in own], color=colour, s=28, alpha=0.8)
    if names:
        axes.set_xticks(range(len(names)), [_shortened(name) for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
        if sum(map(len, names)) > 40:
            axes.tick_params(axis="x", labelrotation=30)
    elif isinstance(each, Span) and each.is_log:
        axes.set_xscale("log")
        # Numbers as they are given; matplotlib would write powers of ten, as mathematics.
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("val macro F1")
    axes.set_xlabel(key)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eef2ef")
    axes.set_axisbelow(True)
    return report.figure(figure, f"val macro F1 by {key}")


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"…{name[-_LONGEST_NAME + 1 :]}"
