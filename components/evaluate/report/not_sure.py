"""The section on "not sure": how often the model says so, and how many patterns it still misses."""

from components import report, words
from components.contracts import ClassNotSure, NotSure
from components.evaluate.report.classes import MOST_ROWS, shown_and_folded
from components.evaluate.report.findings import Findings
from components.evaluate.report.whiskers import shortened


def not_sure_blocks(found: Findings) -> list[str]:
    """Returns the blocks; empty for an evaluation of an earlier version, whose model knows yes and no only."""
    of, unit = found.evaluation.not_sure, words.unit(found.manifest.layout)
    if of is None or not of.per_class:
        return []
    low = dict(zip(found.manifest.classes, of.low, strict=True))
    ordered = sorted(of.per_class.items(), key=lambda each: -each[1].share)
    rows = [_row(name, each, low[name]) for name, each in ordered]
    header = ["class", f"of {unit}s", "missed", "allowed", "fields"]

    def table(some: list[tuple[object, ...]]) -> str:
        return report.table(header, some)

    return [
        report.heading("Not sure is an answer"),
        report.paragraph(_summary(of, unit)),
        *shown_and_folded(
            [table(rows[:MOST_ROWS])], [table(rows)], len(rows), f"The {MOST_ROWS} classes with the largest share."
        ),
        report.paragraph(
            f'of {unit}s: the share that got "not sure". missed: the share of a field\'s {unit}s with the class that '
            f'got "no", on average over fields, with its 95 % interval. allowed: the lowest probability that is not '
            f'a "no"; a dash where val has too few fields to say no at all. fields: those of test that have the class.'
        ),
    ]


def _summary(of: NotSure, unit: str) -> str:
    return (
        f'{of.share:.1%} of all answers on the test {unit}s are "not sure": neither a yes, nor a no that could be '
        f"relied on. A no may miss at most {of.max_miss_rate:.0%} of a pattern, on average over fields "
        f"(evaluate_max_miss_rate); on test it missed {of.miss_rate:.1%}, averaged over the classes."
    )


def _row(name: str, of: ClassNotSure, low: float) -> tuple[object, ...]:
    missed: object = words.NOTHING
    if of.num_fields:
        missed = words.Number(f"{of.miss_rate:.1%}"), shortened(of.miss_interval)
    return name, words.Number(f"{of.share:.1%}"), missed, words.as_score(low, low > 0), of.num_fields
