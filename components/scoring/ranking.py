"""Average precision and ROC-AUC: how well scores rank the tiles that have a class, whatever the threshold.

Both are exact, with ties as in scikit-learn, whose average_precision_score and roc_auc_score the tests compare them
with; these are arithmetic on one sorted column, so that hundreds of classes take seconds.
"""

import numpy as np
from numpy.typing import NDArray


def average_precision(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the average precision of each class, [C] in 0..1: the sum of precision times the growth of recall.

    A class without support has 0.

    Args:
      labels, scores: [N, C]; the scores may be of any range.
    """
    return np.array([_average_precision(*_ranked(labels[:, c], scores[:, c])) for c in range(labels.shape[1])])


def roc_auc(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the area under each class's ROC curve, [C] in 0..1: how often a tile with it outranks one without.

    A class that no tile has, or every tile, has 0.
    """
    return np.array([_roc_auc(*_ranked(labels[:, c], scores[:, c])) for c in range(labels.shape[1])])


def _ranked(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the numbers of tiles with and without the class that score at least each distinct score, highest first.

    Args:
      labels, scores: [N].
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.array([], np.intp)
    true = np.cumsum(labels[order], dtype=np.int64)[last]
    return true, np.asarray(last + 1 - true, np.int64)


def _average_precision(true: NDArray[np.int64], false: NDArray[np.int64]) -> float:
    if not len(true) or not true[-1]:
        return 0.0
    return float((np.diff(true, prepend=0) * (true / (true + false))).sum() / true[-1])


def _roc_auc(true: NDArray[np.int64], false: NDArray[np.int64]) -> float:
    if not len(true) or not true[-1] or not false[-1]:
        return 0.0
    # Of the tiles with the class at each score, each outranks those without that come later, and half of its equals.
    false_before = np.concatenate([[0], false[:-1]])
    outranked = false[-1] - (false_before + false) / 2
    return float((np.diff(true, prepend=0) * outranked).sum() / (true[-1] * false[-1]))
