"""The HTML report of the evaluation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import report
from components.contracts import Evaluation, Manifest, Scores, TrainingReceipt
from components.evaluate.examples import JudgedTile
from components.evaluate.field_intervals import interval_text
from components.evaluate.predictions import Predictions
from components.evaluate.scores import ConfusionMatrix, RocCurve

_ROW = "display:flex;flex-wrap:wrap;gap:4px 12px"
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
    result = _headline(manifest, receipt, evaluation)
    result += _class_table(evaluation, receipt.label_mode)
    result += [
        report.heading("Confusion matrix"),
        report.figure(_confusion_figure(confusion), "Tiles by true class (rows) and predicted class (columns)."),
    ]
    if receipt.label_mode != "single_label":
        result.append(
            report.paragraph(
                "A tile can have several classes. The diagonal counts classes that were found. A missed class counts "
                "in the column of each class predicted in its place, or under background if there was none; a class "
                "predicted in addition to the right ones counts in background's row."
            )
        )
    result += [
        report.heading("Ranking, at any threshold"),
        report.figure(_curves_figure(predictions, roc, evaluation.candidate), "Precision-recall by class, and ROC."),
    ]
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
    tiles = f"{evaluation.num_test_tiles:,} test tiles of {manifest.splits['test'].num_fields:,} fields"
    figures = [("macro F1", f"{scores.macro_f1:.3f}"), ("mAP", f"{scores.map:.3f}")]
    big = "".join(
        f'<div><span style="font-size:2em;font-weight:600">{value}</span> {name}</div>' for name, value in figures
    )
    rows = [
        (
            name,
            getattr(scores, field),
            interval_text(scores, field),
            *([getattr(production, field), interval_text(production, field)] if production else []),
        )
        for field, name in Scores.titles().items()
    ]
    return [
        f'<div style="{_ROW}">{big}</div>',
        report.paragraph(f"{versus[0].upper()}{versus[1:]}."),
        report.paragraph(
            f"{receipt.backbone} at {receipt.image_size_px} px, training {receipt.training_id}, on {tiles} that "
            f"neither training nor the choice of thresholds has seen. Averages are over the classes that occur in them."
        ),
        report.table(["", "this model", "95 %", *(["production", "95 %"] if production else [])], rows),
    ]


def _class_table(evaluation: Evaluation, label_mode: str) -> list[str]:
    single = label_mode == "single_label"
    rows = []
    for name, scores in evaluation.candidate.per_class.items():
        values: list[object] = [scores.f1, scores.precision, scores.recall, scores.average_precision]
        if not scores.support:
            values = ["–"] * len(values)
        rows.append([name, *values, scores.support, *([] if single else [scores.threshold])])
    header = ["class", "F1", "prec.", "recall", "AP", "tiles", *([] if single else ["thresh."])]
    note = "prec.: precision. AP: average precision, the area under the curve below. "
    if single:
        note += "The most probable class is predicted; there are no thresholds."
    else:
        note += "thresh.: the lowest probability at which the class is predicted, chosen on the val split for high F1."
    # Seven columns must fit side by side in 448 pixels.
    small = f'<div style="font-size:.86em">{report.table(header, rows)}</div>'
    result = [report.heading("By class"), small, report.paragraph(note)]
    production = evaluation.production
    if production is not None:
        changes = [
            (name, scores.f1, production.per_class[name].f1, scores.f1 - production.per_class[name].f1)
            for name, scores in evaluation.candidate.per_class.items()
            if scores.support
        ]
        result += [
            report.heading(f"Compared with version {evaluation.production_version}, in production"),
            report.table(["F1 by class", "this model", "production", "difference"], changes),
        ]
    return result


def _confusion_figure(confusion: ConfusionMatrix) -> Any:
    from matplotlib.figure import Figure

    matrix = np.array(confusion.matrix)
    num = len(confusion.categories)
    size = max(3.2, 1.6 + 0.42 * num)
    plot = Figure(figsize=(size, size))
    axes = plot.add_subplot()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # of the row, so that rare classes stand out
    axes.imshow(share, cmap="Greens", vmin=0, vmax=1)
    for row, column in np.argwhere(matrix > 0):
        color = "white" if share[row, column] > 0.6 else "black"
        axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(num), confusion.categories, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(num), confusion.categories)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return plot


def _curves_figure(predictions: Predictions, roc: RocCurve, scores: Scores) -> Any:
    from matplotlib.figure import Figure
    from sklearn.metrics import precision_recall_curve

    plot = Figure(figsize=(6, 7.6), layout="constrained")
    ranking, rates = plot.subplots(2, 1, height_ratios=(3, 2))
    for c, (name, values) in enumerate(scores.per_class.items()):
        if values.support:
            precision, recall, _ = precision_recall_curve(predictions.labels[:, c], predictions.probabilities[:, c])
            # Few enough points for a small SVG; the curve has one per tile.
            points = np.unique(np.linspace(0, len(recall) - 1, min(len(recall), 200)).round().astype(int))
            style = ("-", "--")[c // 10 % 2]
            label = f"{name} ({values.average_precision:.2f})"
            ranking.step(recall[points], precision[points], style, where="post", label=label)
    ranking.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title="By class (AP)")
    if scores.map:
        ranking.legend(fontsize=8, loc="lower left")
    rates.plot([0, 1], [0, 1], ":", color="#999999", linewidth=1)
    rates.plot(roc.false_positive_rate, roc.true_positive_rate, color="#2d6a4f")
    rates.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="false positive rate", ylabel="true positive rate")
    rates.set_title("ROC over all classes (micro-averaged)")
    return plot


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
            f"For each class, the surest tile found, the worst one missed and the surest false alarm. {bands}; "
            "invalid pixels are dark."
        ),
    ]
    for name in manifest.classes:
        cards = []
        for example in examples:
            if example.class_name == name:
                probability = predictions.probabilities[example.row, manifest.classes.index(name)]
                caption = (
                    f"{_MARKS[example.outcome]} ({probability:.2f}). True: {names(predictions.labels[example.row])}. "
                    f"Predicted: {names(predicted[example.row])}."
                )
                picture = report.image(thumbnails[int(predictions.positions[example.row])], caption)
                cards.append(f'<div style="width:140px">{picture}</div>')
        if cards:
            result.append(f"<h3 style='font-size:1em;margin:1em 0 0'>{report.escaped(name)}</h3>")
            result.append(f'<div style="{_ROW}">{"".join(cards)}</div>')
    return result
