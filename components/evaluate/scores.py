"""Scores a model on labelled tiles. No result is ever NaN, because KFP fails on NaN."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassScores, Scores
from components.evaluate.reading.columns import ROWS_AT_ONCE, forget
from components.f1_score import f1, macro
from components.scoring import ranking

BACKGROUND = "background"
MAX_ROC_POINTS = 200  # the KFP page does not draw more
_DROPPED_BITS = 12  # of a float32's 32
_NUM_BINS = (0x3F800000 >> _DROPPED_BITS) + 1  # the bits of 1.0


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
    hits, positive, support = (np.zeros(len(classes), np.int64) for _ in range(3))
    average_precision, roc_auc = np.zeros(len(classes)), np.zeros(len(classes))
    for c in range(len(classes)):  # the arrays may be larger than memory
        true, guess = labels[:, c], predicted[:, c]
        hits[c], positive[c], support[c] = (np.count_nonzero(each) for each in (true & guess, guess, true))
        ranks = ranking.rank(true, probabilities[:, c])
        average_precision[c], roc_auc[c] = ranks.average_precision, ranks.roc_auc
        forget(labels, probabilities, predicted)
    precision, recall = hits / np.maximum(positive, 1), hits / np.maximum(support, 1)
    f1_scores = f1(hits, positive, support)
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
    for first in range(0, len(labels), ROWS_AT_ONCE):
        true, guess = (of[first : first + ROWS_AT_ONCE] for of in (labels, predicted))
        matrix[range(num_classes), range(num_classes)] += (true & guess).sum(axis=0)
        missed, extra = true & ~guess, guess & ~true
        none_missed, none_extra = (~np.asarray(of).any(axis=1, keepdims=True) for of in (missed, extra))
        is_wrong = np.asarray(missed | extra).any(axis=1)
        rows, columns = np.hstack([missed, none_missed])[is_wrong], np.hstack([extra, none_extra])[is_wrong]
        # Counts of few enough tiles to be exact in float32, which is multiplied much faster than integers.
        matrix += (rows.T.astype(np.float32) @ columns.astype(np.float32)).astype(np.int64)
        matrix[num_classes, num_classes] += np.count_nonzero(~(true | guess).any(axis=1))
    forget(labels, predicted)
    return ConfusionMatrix(categories, matrix[: len(categories), : len(categories)].tolist())


@dataclasses.dataclass(frozen=True)
class RocCurve:
    """False and true positive rates and thresholds, finite and in 0..1; empty if all labels are equal."""

    false_positive_rate: list[float]
    true_positive_rate: list[float]
    threshold: list[float]


def micro_roc(labels: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> RocCurve:
    """Returns the ROC curve over all (tile, class) pairs, thinned to what the KFP page can draw.

    Its points are exact: pairs are counted by the leading bits of their probability, and the thresholds are the numbers
    at which these bits change, 4,096 between 0.5 and 1 and as many in each halving below.
    """
    counts = np.zeros((2, _NUM_BINS), np.int64)
    for c in range(labels.shape[1]):
        # The bits of floats above 0, read as integers, are in the order of the floats.
        bins = np.ascontiguousarray(probabilities[:, c]).view(np.uint32) >> _DROPPED_BITS
        for has, of_bin in enumerate(counts):
            of_bin += np.bincount(bins[labels[:, c] == bool(has)], minlength=_NUM_BINS)
        forget(labels, probabilities)
    bins = np.flatnonzero(counts.any(axis=0))[::-1]
    false, true = np.cumsum(counts[:, bins], axis=1)
    if not len(bins) or not false[-1] or not true[-1]:
        return RocCurve([], [], [])
    false_rate, true_rate = (np.concatenate([[0.0], of / of[-1]]) for of in (false, true))
    edges = (bins.astype(np.uint32) << _DROPPED_BITS).view(np.float32).astype(float)
    threshold = np.concatenate([[1.0], edges])  # the first stands for "nothing is predicted"
    along = false_rate + true_rate
    points = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MAX_ROC_POINTS)))
    return RocCurve(false_rate[points].tolist(), true_rate[points].tolist(), threshold[points].tolist())
