"""The HTML report of the evaluation."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import report, words
from components.contracts import Evaluation, Manifest, Scores, TrainingReceipt
from components.evaluate.examples import JudgedTile
from components.evaluate.field_intervals import interval_text
from components.evaluate.reading.predictions import Predictions
from components.evaluate.scores import ConfusionMatrix, RocCurve

_ROW = "display:flex;flex-wrap:wrap;gap:8px 16px"
# After matplotlib's "tab10" and "Dark2".
_COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
    *("#1b9e77", "#d95f02", "#7570b3", "#66a61e"),
)
_MARKS = {"found": "✓ found", "missed": "✗ missed", "false alarm": "✗ false alarm"}


def blocks(
    manifest: Manifest,
    receipt: TrainingReceipt,
    evaluation: Evaluation,
    confusion: ConfusionMatrix,
    roc: RocCurve,
    predictions: Predictions,
    predicted: NDArray[np.bool_],
    examples: Sequence[JudgedTile],
    thumbnails: dict[int, NDArray[np.uint8]],
) -> list[str]:
    """Returns the report's blocks for `components.report.page`.

    Args:
      predictions, predicted: the test split, and the predicted classes, bool [N, C].
      thumbnails: thumbnails of the examples' tiles by their position in the split.
    """
    unit = words.unit(manifest.layout)
    result = _headline(manifest, receipt, evaluation)
    result += _class_table(evaluation, receipt.label_mode, predictions, predicted, unit)
    result += [
        report.heading("Confusion matrix: columns true, rows predicted"),
        _confusion_table(confusion),
        report.paragraph(f"{unit.capitalize()}s by true class (columns) and predicted class (rows)."),
    ]
    if receipt.label_mode != "single_label":
        result.append(
            report.paragraph(
                f"{'An' if unit == 'image' else 'A'} {unit} can have several classes. The diagonal counts classes that "
                "were found. A missed class counts in the row of each class predicted in its place, or of background "
                "if there was none; a class predicted in addition to the right ones counts in the column of background."
            )
        )
    if ranking := _ranking_blocks(predictions, roc, evaluation.candidate):
        result += [report.heading("Ranking, at any threshold"), *ranking]
    return result + _example_blocks(manifest, predictions, predicted, examples, thumbnails)


def _headline(manifest: Manifest, receipt: TrainingReceipt, evaluation: Evaluation) -> list[str]:
    scores, production = evaluation.candidate, evaluation.production
    versus = "nothing in production yet"
    if production is not None:
        versus = (
            f"{scores.macro_f1 - production.macro_f1:+.3f} macro F1 against version {evaluation.production_version}"
        )
    elif evaluation.production_note:
        versus = f"not compared with production: {evaluation.production_note}"
    num_fields, unit = manifest.splits["test"].num_fields, words.unit(manifest.layout)
    tiles = f"{evaluation.num_test_tiles:,} test {unit}s"
    if words.has_fields(evaluation.num_test_tiles, num_fields, manifest.layout):
        tiles += f" of {num_fields:,} fields"
    is_judged = any(values.support for values in scores.per_class.values())
    figures = [
        (name, words.as_score(value, is_judged)) for name, value in (("macro F1", scores.macro_f1), ("mAP", scores.map))
    ]
    big = "".join(
        f'<div><span style="font-size:2em;font-weight:600">{value}</span> {name}</div>' for name, value in figures
    )
    rows = [
        (
            name,
            *itertools.chain.from_iterable(
                (
                    words.as_score(getattr(each, field), is_judged),
                    interval_text(each, field) if is_judged else words.NOTHING,
                )
                for each in (scores, production)
                if each
            ),
        )
        for field, name in Scores.titles().items()
    ]
    return [
        f'<div style="{_ROW}">{big}</div>',
        report.paragraph(f"{versus[0].upper()}{versus[1:]}."),
        report.paragraph(
            f"{receipt.backbone} at {receipt.image_size_px} px, training {receipt.training_id}, on {tiles} that "
            f"neither training nor the choice of thresholds has seen. Averages are over the classes that occur in them."
            + _left_out(manifest, evaluation, unit)
            + ("" if is_judged else f" None of the {unit}s has a class, so nothing was judged.")
        ),
        report.paragraph("The gate decides after this whether the model is pushed; its report, Decision, says why."),
        report.table(["", "this model", "95 %", *(["production", "95 %"] if production else [])], rows),
    ]


def _left_out(manifest: Manifest, evaluation: Evaluation, unit: str) -> str:
    """Returns what a single-label model is not judged on, as a sentence; empty if there is none."""
    num_left_out = manifest.splits["test"].num_tiles - evaluation.num_test_tiles
    return f" {num_left_out:,} more {unit}s have no class, or several, and are left out." if num_left_out else ""


def _class_table(
    evaluation: Evaluation, label_mode: str, predictions: Predictions, predicted: NDArray[np.bool_], unit: str
) -> list[str]:
    single = label_mode == "single_label"
    rows = []
    for c, (name, scores) in enumerate(evaluation.candidate.per_class.items()):
        values = [
            words.as_score(scores.f1, bool(scores.support)),
            # Of no prediction, none can be right.
            words.as_score(scores.precision, bool(scores.support) and bool(predicted[:, c].any())),
            words.as_score(scores.recall, bool(scores.support)),
            words.as_score(scores.average_precision, bool(scores.support)),
        ]
        rows.append([name, *values, scores.support, *([] if single else [words.as_score(scores.threshold)])])
    header = ["class", "F1", "prec.", "recall", "AP", f"{unit}s", *([] if single else ["thresh."])]
    background = ~predictions.labels.any(axis=1)
    if num_background := int(background.sum()):
        rows.append(["background", *[words.NOTHING] * 4, num_background, *([] if single else [words.NOTHING])])
    note = "prec.: precision. AP: average precision, the area under the curve below. "
    if single:
        note += "The most probable class is predicted; there are no thresholds."
    else:
        note += "thresh.: the lowest probability at which the class is predicted, chosen on the val split for high F1."
    if num_background:
        num_right = int((background & ~predicted.any(axis=1)).sum())
        note += f" background: {unit}s without a class; {num_right:,} of {num_background:,} had none predicted."
    result = [report.heading("By class"), report.table(header, rows), report.paragraph(note)]
    production = evaluation.production
    if production is not None:
        changes = [
            (
                name,
                words.as_score(scores.f1),
                words.as_score(production.per_class[name].f1),
                words.Number(f"{scores.f1 - production.per_class[name].f1:+.3f}"),
            )
            for name, scores in evaluation.candidate.per_class.items()
            if scores.support
        ]
        result += [
            report.heading(f"Compared with version {evaluation.production_version}, in production"),
            report.table(["F1 by class", "this model", "production", "difference"], changes),
        ]
    return result


def _confusion_table(confusion: ConfusionMatrix) -> str:
    """Returns the matrix as Kubeflow's page draws it: true classes across, predicted ones down."""
    matrix = np.array(confusion.matrix).T
    share = matrix / np.maximum(matrix.sum(axis=0), 1)  # of the true class, so that rare ones stand out
    rows = [
        (name, [(f"{count:,}" if count else "", part) for count, part in zip(counts, parts, strict=True)])
        for name, counts, parts in zip(confusion.categories, matrix.tolist(), share.tolist(), strict=True)
    ]
    return report.heat_table(("predicted", *confusion.categories), rows)


def _ranking_blocks(predictions: Predictions, roc: RocCurve, scores: Scores) -> list[str]:
    """Returns the curves that there are, with the classes' names beside them; empty if nothing was judged."""
    from matplotlib.figure import Figure
    from sklearn.metrics import precision_recall_curve

    judged = [(c, name, values) for c, (name, values) in enumerate(scores.per_class.items()) if values.support]
    result = []
    if judged:
        plot = Figure(figsize=(5, 3.6), layout="constrained")
        axes, names = plot.subplots(), []
        for position, (c, name, values) in enumerate(judged):
            precision, recall, _ = precision_recall_curve(predictions.labels[:, c], predictions.probabilities[:, c])
            # Few enough points for a small SVG; the curve has one per tile.
            points = np.unique(np.linspace(0, len(recall) - 1, min(len(recall), 200)).round().astype(int))
            dashed = position // len(_COLOURS) % 2
            colour = _COLOURS[position % len(_COLOURS)]
            axes.step(recall[points], precision[points], ("-", "--")[dashed], where="post", color=colour)
            names.append((colour, f"{name} ({values.average_precision:.2f}{', dashed' if dashed else ''})"))
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        axes.spines[["top", "right"]].set_visible(False)
        result += [
            report.subheading("Precision and recall by class"),
            report.side_by_side(
                report.figure(plot, "One curve for each class, with its average precision (AP) in the legend."),
                report.legend(names),
            ),
        ]
    if roc.threshold:
        plot = Figure(figsize=(5, 3), layout="constrained")
        axes = plot.subplots()
        axes.plot([0, 1], [0, 1], ":", color="#999999", linewidth=1.2)
        axes.plot(roc.false_positive_rate, roc.true_positive_rate, color="#2d6a4f")
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="false positive rate", ylabel="true positive rate")
        axes.spines[["top", "right"]].set_visible(False)
        result += [
            report.subheading("ROC over all classes, micro-averaged"),
            report.figure(plot, "All classes together (micro-averaged). The dotted line is what guessing would reach."),
        ]
    return result


def _example_blocks(
    manifest: Manifest,
    predictions: Predictions,
    predicted: NDArray[np.bool_],
    examples: Sequence[JudgedTile],
    thumbnails: dict[int, NDArray[np.uint8]],
) -> list[str]:
    def names(of: NDArray[np.bool_]) -> str:
        return ", ".join(name for name, has in zip(manifest.classes, of, strict=True) if has) or "none"

    bands = "RGB, and NIR below it" if len(manifest.bands) > 3 else "RGB"
    result = [
        report.heading("Right and wrong"),
        report.paragraph(
            f"For each class, the surest {words.unit(manifest.layout)} found, the worst one missed and the surest "
            f"false alarm. {bands}; invalid pixels are dark."
        ),
    ]
    for position, name in enumerate(manifest.classes):
        cards = []
        for example in examples:
            if example.class_name == name:
                probability = predictions.probabilities[example.row, manifest.classes.index(name)]
                caption = (
                    f"{_MARKS[example.outcome]} ({probability:.2f}). True: {names(predictions.labels[example.row])}. "
                    f"Predicted: {names(predicted[example.row])}."
                )
                cards.append((thumbnails[int(predictions.positions[example.row])], caption))
        if cards:
            num = f"{len(cards)} {words.unit(manifest.layout)}{'' if len(cards) == 1 else 's'}"
            result.append(report.folded(name, num, [report.gallery(cards)], is_open=not position))
    return result
