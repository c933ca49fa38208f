"""The section on confusions: which class was predicted in place of which."""

import numpy as np

from components import report, words
from components.evaluate.report.findings import Findings

_MOST_CLASSES = 24  # in a matrix that a reader can overlook; of more, the most frequent confusions are listed
_MOST_LISTED = 40


def confusion_blocks(found: Findings) -> list[str]:
    """Returns the blocks: the matrix as Kubeflow's page draws it, or a list where it would be too large."""
    unit = words.unit(found.manifest.layout)
    if len(found.confusion.categories) <= _MOST_CLASSES:
        result = [
            report.heading("Confusion matrix: columns true, rows predicted"),
            _table(found),
            report.paragraph(f"{unit.capitalize()}s by true class (columns) and predicted class (rows)."),
        ]
    else:
        result = [
            report.heading("The most frequent confusions"),
            *_list(found),
        ]
    if found.is_single_label:
        return result
    return [
        *result,
        report.paragraph(
            f"{'An' if unit == 'image' else 'A'} {unit} can have several classes. The diagonal counts classes that "
            "were found. A missed class counts in the row of each class predicted in its place, or of background "
            "if there was none; a class predicted in addition to the right ones counts in the column of background."
        ),
    ]


def _table(found: Findings) -> str:
    matrix = np.array(found.confusion.matrix).T
    share = matrix / np.maximum(matrix.sum(axis=0), 1)  # of the true class, so that rare ones stand out
    rows = [
        (name, [(f"{count:,}" if count else "", part) for count, part in zip(counts, parts, strict=True)])
        for name, counts, parts in zip(found.confusion.categories, matrix.tolist(), share.tolist(), strict=True)
    ]
    return report.heat_table(("predicted", *found.confusion.categories), rows)


def _list(found: Findings) -> list[str]:
    names, matrix = found.confusion.categories, np.array(found.confusion.matrix)
    totals = matrix.sum(axis=1)
    errors = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-errors, axis=None, kind="stable")[:_MOST_LISTED]
    pairs = [(int(cell) // len(names), int(cell) % len(names)) for cell in order.tolist()]
    rows = [
        (names[true], names[guess], int(errors[true, guess]), words.Number(f"{errors[true, guess] / totals[true]:.0%}"))
        for true, guess in pairs
        if errors[true, guess]
    ]
    if not rows:
        return [report.paragraph("There is none.")]
    unit = words.unit(found.manifest.layout)
    return [
        report.table(["true", "predicted", f"{unit}s", "of the true"], rows),
        report.paragraph(
            f"The matrix of {len(names):,} rows and columns is an output of the step of its own; here are the "
            f"{len(rows):,} largest numbers beside its diagonal."
        ),
    ]
