"""The section on "not sure": how often the model says so, and how many patterns it still misses."""

from collections.abc import Sequence

from components import report, words
from components.contracts import ClassNotSure, NotSure
from components.evaluate.field_intervals import CANDIDATE
from components.evaluate.report.classes import MOST_ROWS, shown_and_folded
from components.evaluate.report.findings import Findings

_YES, _NOT_SURE, _NO = "#1b6e4a", "#e6a817", "#dfe5e1"


def not_sure_blocks(found: Findings) -> list[str]:
    """Returns the blocks; empty for an evaluation of an earlier version, whose model knows yes and no only."""
    of, unit = found.evaluation.not_sure, words.unit(found.manifest.layout)
    if of is None or not of.per_class:
        return []
    low = dict(zip(found.manifest.classes, of.low, strict=True))
    numbers = {name: c for c, name in enumerate(found.manifest.classes)}
    num_yes = found.sums.models[CANDIDATE].predicted.sum(axis=0)
    ordered = sorted(of.per_class.items(), key=lambda each: -each[1].share)
    shares = [
        (name, num_yes[numbers[name]] / max(found.evaluation.num_test_tiles, 1), each.share) for name, each in ordered
    ]
    rows = [_row(name, each, low[name]) for name, each in ordered]
    header = ["class", "missed", "no below", "fields"]
    return [
        report.heading("Not sure is an answer"),
        report.paragraph(_summary(of, unit)),
        report.legend([(_YES, "yes"), (_NOT_SURE, "not sure, with its share"), (_NO, "no")]),
        *shown_and_folded(
            [_bars(shares[:MOST_ROWS]), report.table(header, rows[:MOST_ROWS])],
            [_bars(shares), report.table(header, rows)],
            len(rows),
            f"The {MOST_ROWS} classes with the largest share.",
        ),
        report.paragraph(
            f"missed: the share of a field's {unit}s with the class that got a no, on average over the fields of test "
            "that have it, with its 95 % interval. no below: lower probabilities are a no; a dash where val has too "
            "few fields with the class to say it at all."
        ),
    ]


def _bars(shares: Sequence[tuple[str, float, float]]) -> str:
    """Returns a bar for each class, of the shares of yes, not sure and no."""
    rows = ""
    for name, yes, unsure in shares:
        parts = "".join(
            f'<i style="width:{share:.2%};background:{colour}"></i>'
            for share, colour in ((yes, _YES), (unsure, _NOT_SURE), (max(1 - yes - unsure, 0.0), _NO))
        )
        rows += f"<tr><th>{report.inline(name)}</th><td><div>{parts}</div></td><td>{unsure:.1%}</td></tr>"
    return f'<table class="bars"><tbody>{rows}</tbody></table>'


def _summary(of: NotSure, unit: str) -> str:
    return (
        f'{of.share:.1%} of all answers on the test {unit}s are "not sure": neither a yes, nor a no that could be '
        f"relied on. A no may miss at most {of.max_miss_rate:.0%} of a pattern, on average over fields "
        f"(evaluate_max_miss_rate); on test it missed {of.miss_rate:.1%}, averaged over the classes."
    )


def _row(name: str, of: ClassNotSure, low: float) -> tuple[object, ...]:
    missed: object = words.NOTHING
    if of.num_fields:
        missed = words.Number(f"{of.miss_rate:.1%}"), "–".join(f"{end:.0%}" for end in of.miss_interval)
    return name, missed, words.as_score(low, low > 0), of.num_fields
