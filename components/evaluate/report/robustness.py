"""The section on robustness: what becomes of the answers when the images are not as they should be."""

from components import report, words
from components.evaluate.report.findings import Findings
from components.evaluate.report.whiskers import Dot, Row, around_zero, whiskers


def robustness_blocks(found: Findings) -> list[str]:
    """Returns the blocks; empty for an evaluation of an earlier version, or if nothing was judged."""
    of, unit = found.evaluation.robustness, words.unit(found.manifest.layout)
    if of is None or not found.judged_classes():
        return []
    result = [report.heading("Robustness: what if the images are not as they should be?")]
    if not of.rows:
        return [*result, report.paragraph(of.note)] if of.note else []
    rows = [Row(each.change, Dot(each.difference[0], (each.difference[1], each.difference[2]))) for each in of.rows]
    numbers = [
        (
            each.change,
            words.as_score(each.macro_f1),
            words.Number(f"{each.changed_decisions:.1%}"),
            words.Number(f"{each.changed_tiles:.1%}"),
        )
        for each in of.rows
    ]
    return [
        *result,
        whiskers(rows, around_zero(rows), signed=True),
        report.table(["change", "macro F1", "decisions", f"{unit}s"], numbers),
        report.paragraph(
            f"Macro F1 minus that of the unchanged images, {of.macro_f1:.3f}, with its 95 % interval by field, on "
            f"{of.num_tiles:,} test {unit}s of {of.num_fields:,} fields. decisions: the share of all answers, by "
            f"{unit} and class, that changed. {unit}s: the share that has such an answer."
        ),
        *([report.paragraph(of.note)] if of.note else []),
    ]
