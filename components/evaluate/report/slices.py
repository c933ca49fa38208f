"""The section on slices: parts of the test split, the worst named, and how much fields differ."""

import itertools

from components import report, words
from components.contracts import FieldScore, FieldSpread, Slices, SliceScore
from components.evaluate.report.findings import Findings
from components.evaluate.report.whiskers import Dot, Row, around_zero, whiskers

_FIELD_NOTE = (
    "expected: errors if the field were like all others. excess: errors a {unit} beyond that, drawn towards 0 by as "
    "much as chance explains."
)


def slice_blocks(found: Findings) -> list[str]:
    """Returns the blocks; empty for an evaluation of an earlier version, or if nothing was judged."""
    slices, unit = found.evaluation.slices, words.unit(found.manifest.layout)
    if slices is None or not found.judged_classes():
        return []
    result = [report.heading("Slices: where is it weak?"), report.paragraph(_worst(slices, unit))]
    # Without a difference that fields could tell of, the scores alone.
    compared = slices.num_compared > 0
    rows = {id(score): _row(score, slices, unit, compared) for score in slices.scores}
    ends = around_zero(list(rows.values())) if compared else (0.0, 1.0)
    for dimension, scores in itertools.groupby(slices.scores, key=lambda each: each.dimension):
        of_dimension = [rows[id(score)] for score in scores]
        result += [report.subheading(dimension), whiskers(of_dimension, ends, signed=compared)]
    if slices.scores:
        result.append(report.paragraph(_explained(slices, unit)))
    if slices.fields:
        result += _fields(slices.fields, unit)
    return [*result, *(report.paragraph(note) for note in slices.notes)]


def _worst(slices: Slices, unit: str) -> str:
    worst = slices.worst_score
    if worst is None or worst.difference is None:
        return "No part could be compared with the rest: too few fields tell of any."
    mean, low, high = worst.difference
    where = f"{worst.dimension} {worst.name} ({worst.num_tiles:,} {unit}s of {worst.num_fields:,} fields)"
    numbers = f"{mean:+.3f} macro F1 ({low:+.2f} to {high:+.2f})"
    if slices.is_worse:
        return f"The worst: {where}, {numbers} against what the other {unit}s let expect: more than noise."
    return f"None is worse by more than noise. The lowest: {where}, {numbers} against what the others let expect."


def _explained(slices: Slices, unit: str) -> str:
    apart = "Parts have different classes, so their F1 cannot be compared with each other."
    if not slices.num_compared:
        return f"The dots: macro F1 of the part, with its 95 % interval. {apart}"
    return (
        f"The dots: macro F1 of the part minus what the recall and the false alarms of all other {unit}s would give "
        f"there. {apart} The intervals hold for all {slices.num_compared:,} parts at once, at 95 %; a dash: too few "
        "fields tell of the part."
    )


def _row(score: SliceScore, slices: Slices, unit: str, compared: bool) -> Row:
    fields = f"{score.num_fields:,} field{'' if score.num_fields == 1 else 's'}"
    note = f"{score.num_tiles:,} {unit}{'' if score.num_tiles == 1 else 's'}, {fields}"
    dot = None
    if not compared:
        dot = None if score.macro_f1 is None else Dot(score.macro_f1, score.interval)
    else:
        note += "" if score.macro_f1 is None else f", F1 {score.macro_f1:.2f}"
        if score.difference is not None:
            mean, low, high = score.difference
            dot = Dot(mean, (low, high))
    return Row(score.name, dot, note=note, is_marked=slices.is_worse and score is slices.worst_score)


def _fields(of: FieldSpread, unit: str) -> list[str]:
    tables = [
        _field_table(title, fields, unit)
        for title, fields in (("Worst fields", of.worst), ("Best fields", of.best))
        if fields
    ]
    return [
        report.subheading("Field by field"),
        report.paragraph(
            f"{of.errors_per_tile:.2f} errors a {unit} over {of.num_fields:,} fields, a class missed or wrongly found "
            f"each. Between fields this differs by {of.spread:.2f} beyond chance; the errors of a field vary "
            f"{of.times_chance:.1f} times as much as if its {unit}s erred independently."
        ),
        *tables,
        *([report.paragraph(_FIELD_NOTE.format(unit=unit))] if tables else []),
    ]


def _field_table(title: str, fields: tuple[FieldScore, ...], unit: str) -> str:
    rows = [
        (each.field, each.num_tiles, each.errors, words.Number(f"{each.expected:.1f}"), _signed(each.excess))
        for each in fields
    ]
    return report.table([title, f"{unit}s", "errors", "expected", "excess"], rows)


def _signed(value: float) -> words.Number:
    return words.Number(f"{value:+.2f}")
