"""Average precision and ROC-AUC: how well scores rank the tiles that have a class, whatever the threshold.

Both are exact, with ties as in scikit-learn, whose average_precision_score and roc_auc_score the tests compare them
with. Both are sums over the tiles that have the class, so these and the others are sorted apart, as plain float32: ten
million tiles take a second and 100 MB, where sorting their numbers along takes ten and 500 MB.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Ranks:
    """The tiles of one class, ranked; arrays are by the D distinct scores of the tiles that have it, highest first.

    Attributes:
      scores: The distinct scores, [D].
      true: Tiles with the class that score at least as high, int64 [D].
      false, false_above: Tiles without it that score at least as high, and higher, int64 [D].
      num_false: Tiles without it.
    """

    scores: NDArray[np.float32]
    true: NDArray[np.int64]
    false: NDArray[np.int64]
    false_above: NDArray[np.int64]
    num_false: int

    @property
    def average_precision(self) -> float:
        """The sum of precision times the growth of recall, in 0..1; 0 without tiles that have the class."""
        if not len(self.true):
            return 0.0
        precision = self.true / (self.true + self.false)
        return float((np.diff(self.true, prepend=0) * precision).sum() / self.true[-1])

    @property
    def roc_auc(self) -> float:
        """The area under the ROC curve, in 0..1: how often a tile with the class outranks one without.

        0 if no tile has the class, or every tile.
        """
        if not len(self.true) or not self.num_false:
            return 0.0
        # A tile with the class outranks those without it that score less, and half of its equals.
        outranked = self.num_false - (self.false_above + self.false) / 2
        return float((np.diff(self.true, prepend=0) * outranked).sum() / (int(self.true[-1]) * self.num_false))


def rank(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> Ranks:
    """Ranks the tiles of one class; `labels` and `scores` are [N], the scores of any range."""
    others = scores[~labels]
    others.sort()
    distinct, counts = np.unique(scores[labels], return_counts=True)
    distinct = distinct[::-1]
    below, at_most = (np.searchsorted(others, distinct, side=side) for side in ("left", "right"))
    return Ranks(
        distinct,
        np.cumsum(counts[::-1], dtype=np.int64),
        np.asarray(len(others) - below, np.int64),
        np.asarray(len(others) - at_most, np.int64),
        len(others),
    )


def average_precision(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the average precision of each class, [C]; `labels` and `scores` are [N, C]."""
    return np.array([rank(labels[:, c], scores[:, c]).average_precision for c in range(labels.shape[1])])


def roc_auc(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the area under each class's ROC curve, [C]; `labels` and `scores` are [N, C]."""
    return np.array([rank(labels[:, c], scores[:, c]).roc_auc for c in range(labels.shape[1])])
