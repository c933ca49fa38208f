"""The section on classes: F1 of each as a dot with its interval, and a table of all scores."""

from collections.abc import Sequence

from components import report, words
from components.contracts import ClassScores
from components.evaluate.field_intervals import CANDIDATE
from components.evaluate.report.findings import Findings
from components.evaluate.report.overview import Overview
from components.evaluate.report.whiskers import (
    CANDIDATE_COLOUR,
    PRODUCTION_COLOUR,
    Dot,
    Row,
    shortened,
    whiskers,
)

MOST_ROWS = 30  # that are shown at once; of more classes the weakest, and all below a fold


def score_blocks(found: Findings, overview: Overview) -> list[str]:
    """Returns the blocks."""
    judged = found.judged_classes()
    result = [report.heading("By class")]
    if judged:
        rows = [_dots(found, name, scores) for _, name, scores in judged]
        result += shown_and_folded(
            [whiskers(rows[:MOST_ROWS])], [whiskers(rows)], len(rows), f"The {MOST_ROWS} classes with the lowest F1."
        )
        legend = [(CANDIDATE_COLOUR, "this model")]
        if found.evaluation.production:
            legend.append((PRODUCTION_COLOUR, "production, the numbers are this model's"))
            result.append(report.legend(legend))
        result.append(report.paragraph("F1 by class, the lowest first, with its 95 % interval over fields."))
    everything = [(name, scores) for name, scores in found.evaluation.candidate.per_class.items()]
    weakest = [(name, scores) for _, name, scores in judged[:MOST_ROWS]]
    result += shown_and_folded(
        [_table(found, overview, weakest)], [_table(found, overview, everything)], len(everything), "The same classes."
    )
    return [*result, report.paragraph(_note(found, overview))]


def shown_and_folded(some: list[str], everything: list[str], num_classes: int, what: str) -> list[str]:
    """Returns all, or what is shown of more classes than a page has room for, and all below a fold."""
    if num_classes <= MOST_ROWS:
        return everything
    return [*some, report.paragraph(what), report.folded(f"All {num_classes:,} classes", "", everything)]


def _dots(found: Findings, name: str, scores: ClassScores) -> Row:
    production = found.evaluation.production
    other = None
    if production is not None:
        of_production = production.per_class[name]
        other = Dot(of_production.f1, of_production.intervals.get("f1"))
    unit = words.unit(found.manifest.layout)
    note = f"{scores.num_fields:,} field{'' if scores.num_fields == 1 else 's'}"
    if not _has_fields(found):
        note = f"{scores.support:,} {unit}{'' if scores.support == 1 else 's'}"
    return Row(name, Dot(scores.f1, scores.intervals.get("f1")), other, note)


def _has_fields(found: Findings) -> bool:
    return words.has_fields(found.evaluation.num_test_tiles, len(found.sums.fields), found.manifest.layout)


def _table(found: Findings, overview: Overview, classes: Sequence[tuple[str, ClassScores]]) -> str:
    has_fields, has_thresholds = _has_fields(found), not found.is_single_label
    num_predicted = found.sums.models[CANDIDATE].predicted.sum(axis=0)
    numbers = {name: c for c, name in enumerate(found.manifest.classes)}
    rows: list[list[object]] = []
    for name, scores in classes:
        is_judged = bool(scores.support)
        # Of no prediction, none can be right.
        has_precision = is_judged and bool(num_predicted[numbers[name]])
        cells = [
            _score(scores, "f1", is_judged),
            _score(scores, "precision", has_precision),
            _score(scores, "recall", is_judged),
            _score(scores, "average_precision", is_judged),
            scores.support,
            *([scores.num_fields] if has_fields else []),
            *([words.as_score(scores.threshold)] if has_thresholds else []),
        ]
        rows.append([name, *cells])
    if overview.num_background:
        empty = [words.NOTHING] * 4
        ends = [words.NOTHING] * (has_fields + has_thresholds)
        rows.append(["background", *empty, overview.num_background, *ends])
    header = ["class", "F1", "prec.", "recall", "AP", f"{words.unit(found.manifest.layout)}s"]
    header += (["fields"] if has_fields else []) + (["thresh."] if has_thresholds else [])
    return report.table(header, rows, stacked=True)


def _score(scores: ClassScores, name: str, is_judged: bool) -> object:
    value = words.as_score(getattr(scores, name), is_judged)
    return (value, shortened(scores.intervals.get(name))) if is_judged else value


def _note(found: Findings, overview: Overview) -> str:
    unit = words.unit(found.manifest.layout)
    note = "In small type: the 95 % interval. prec.: precision. AP: average precision, the area under the curve below. "
    if found.is_single_label:
        note += "The most probable class is predicted; there are no thresholds."
    else:
        note += "thresh.: the lowest probability at which the class is predicted, chosen on the val split for high F1."
    if overview.num_background:
        right, all_of_them = overview.num_background_right, overview.num_background
        note += f" background: {unit}s without a class; {right:,} of {all_of_them:,} had none predicted."
    return note
