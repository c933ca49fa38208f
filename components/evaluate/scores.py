"""Scores a model on labelled tiles. No result is ever NaN, because KFP fails on NaN."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from components.contracts import ClassScores, Scores
from components.f1_score import f1, macro
from components.scoring import ranking

BACKGROUND = "background"
MAX_ROC_POINTS = 200  # the KFP page does not draw more


def score(
    labels: NDArray[np.bool_],
    probabilities: NDArray[np.float32],
    predicted: NDArray[np.bool_],
    thresholds: Sequence[float],
    classes: Sequence[str],
) -> Scores:
    """Scores the predictions `predicted` and the ranking by `probabilities` against `labels`, all [N, C].

    Precision and recall are 0 where nothing is predicted, or true. Macro averages and mAP are over the classes that
    have support; all are 0 if none has. ROC-AUC is also 0 for a class that every tile has.
    """
    hits, positive, support = (each.sum(axis=0) for each in (labels & predicted, predicted, labels))  # each [C]
    precision, recall = hits / np.maximum(positive, 1), hits / np.maximum(support, 1)
    f1_scores = f1(hits, positive, support)
    average_precision = ranking.average_precision(labels, probabilities)
    roc_auc = ranking.roc_auc(labels, probabilities)
    return Scores(
        macro_f1=macro(f1_scores, support),
        macro_precision=macro(precision, support),
        macro_recall=macro(recall, support),
        map=macro(average_precision, support),
        macro_roc_auc=macro(roc_auc, support),
        per_class={
            name: ClassScores(
                threshold=float(thresholds[c]),
                precision=float(precision[c]),
                recall=float(recall[c]),
                f1=float(f1_scores[c]),
                average_precision=float(average_precision[c]),
                roc_auc=float(roc_auc[c]),
                support=int(support[c]),
            )
            for c, name in enumerate(classes)
        },
    )


@dataclasses.dataclass(frozen=True)
class ConfusionMatrix:
    """Tiles by true class (rows) and predicted class (columns), [K][K] in the order of `categories`."""

    categories: list[str]
    matrix: list[list[int]]


def confusion_matrix(
    labels: NDArray[np.bool_], predicted: NDArray[np.bool_], classes: Sequence[str], label_mode: str
) -> ConfusionMatrix:
    """Returns the confusion matrix; a plain one in single-label mode.

    In multi-label mode it follows the dataset's rule for overlapping labels, extended from one predicted class per
    pixel to a set per tile, with "background" for an empty set. A class that is both true and predicted counts on the
    diagonal. A missed class counts against every class predicted in its place, or against background if there is none;
    a class predicted when nothing was missed counts in background's row. So the diagonal holds the true positives, and
    everything off it is an error.
    """
    num_classes = len(classes)
    categories = list(classes) if label_mode == "single_label" else [*classes, BACKGROUND]
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for true, guess in zip(labels, predicted, strict=True):
        hit, missed, extra = (np.flatnonzero(of) for of in (true & guess, true & ~guess, guess & ~true))
        matrix[hit, hit] += 1
        if len(missed) or len(extra):
            rows, columns = (of if len(of) else np.array([num_classes]) for of in (missed, extra))
            matrix[rows[:, np.newaxis], columns] += 1
        elif not len(hit):
            matrix[num_classes, num_classes] += 1
    return ConfusionMatrix(categories, matrix[: len(categories), : len(categories)].tolist())


@dataclasses.dataclass(frozen=True)
class RocCurve:
    """False and true positive rates and thresholds, finite and in 0..1; empty if all labels are equal."""

    false_positive_rate: list[float]
    true_positive_rate: list[float]
    threshold: list[float]


def micro_roc(labels: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> RocCurve:
    """Returns the ROC curve over all (tile, class) pairs, thinned to what the KFP page can draw."""
    if labels.all() or not labels.any():
        return RocCurve([], [], [])
    false_rate, true_rate, threshold = roc_curve(labels.ravel(), probabilities.ravel())
    # The first threshold is infinite, standing for "nothing is predicted".
    threshold = np.clip(threshold, 0.0, 1.0)
    points = np.unique(np.linspace(0, len(threshold) - 1, min(len(threshold), MAX_ROC_POINTS)).round().astype(int))
    return RocCurve(false_rate[points].tolist(), true_rate[points].tolist(), threshold[points].tolist())
