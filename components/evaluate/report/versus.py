"""The section that compares the model with the one in production, class by class."""

from components import report, words
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION
from components.evaluate.report.classes import MOST_ROWS, shown_and_folded
from components.evaluate.report.findings import Findings
from components.evaluate.report.whiskers import Dot, Row, around_zero, whiskers
from components.scoring.field_effects import class_effects
from components.scoring.sign_flips import interval

_ALPHA = 0.025  # on each side


def versus_blocks(found: Findings) -> list[str]:
    """Returns the blocks; empty if production was not compared."""
    evaluation = found.evaluation
    judged = found.judged_classes()
    if evaluation.production is None or not judged:
        return []
    of_production = evaluation.production.per_class
    effects = class_effects(found.sums.counts(CANDIDATE), found.sums.counts(PRODUCTION))
    judged.sort(key=lambda each: each[2].f1 - of_production[each[1]].f1)
    # Those that lost most and those that gained most.
    shown = judged if len(judged) <= MOST_ROWS else [*judged[: MOST_ROWS // 2], *judged[-MOST_ROWS // 2 :]]
    rows, lost, gained = [], 0, 0
    for c, name, scores in shown:
        ends = interval(effects[c], _ALPHA)
        lost, gained = lost + (ends[1] < 0), gained + (ends[0] > 0)
        note = f"{scores.f1:.3f} against {of_production[name].f1:.3f}"
        rows.append(Row(name, Dot(scores.f1 - of_production[name].f1, ends), note=note))
    everything = [
        (name, scores.f1, of_production[name].f1, words.Number(f"{scores.f1 - of_production[name].f1:+.3f}"))
        for _, name, scores in judged
    ]
    table = report.table(["class", "this model", "production", "difference"], everything)
    has_untold = any(row.dot and row.dot.interval == (-1.0, 1.0) for row in rows)
    count = f"Better by more than noise: {gained:,}; worse: {lost:,}."
    figure = whiskers(rows, around_zero(rows), signed=True)
    return [
        report.heading(f"Compared with version {evaluation.production_version}, in production"),
        *shown_and_folded(
            [figure],
            [figure] if len(judged) <= MOST_ROWS else [table],
            len(judged),
            f"The {MOST_ROWS // 2} classes that lost most F1, and the {MOST_ROWS // 2} that gained most.",
        ),
        report.paragraph(
            f"Difference of F1 on the same fields, with its 95 % interval, as the gate reckons it. {count} Of many "
            "classes, one in twenty looks different by chance."
            + (" From -1 to +1: too few fields to tell." if has_untold else "")
        ),
    ]
