"""F1 and its macro average: the one definition that training, evaluation, the choice of thresholds and the gate share.

F1 of a class is the harmonic mean of precision and recall. With hits (true and predicted) it is
2 * hits / (predicted + true), the Dice coefficient (van Rijsbergen, Information Retrieval, 1979, chapter 7). As in
scikit-learn with zero_division=0, it is 0 where a class is neither true nor predicted. Macro F1 is the plain mean over
classes, but only over those that have support: a class that no tile has says nothing, whatever was predicted.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def f1(hits: ArrayLike, predicted: ArrayLike, true: ArrayLike) -> Any:
    """Returns F1, in 0..1, from numbers of tiles, all of one shape or broadcast; 0 where all are 0."""
    # Whole numbers: 1 is the least that is not 0.
    return 2 * np.asarray(hits) / np.maximum(np.add(predicted, true), 1)


def macro(scores: NDArray[np.float64], true: NDArray[Any]) -> float:
    """Returns the mean of scores, [C], over the classes that have support; 0 if none has.

    Args:
      true: Tiles that have the class, [C].
    """
    supported = true > 0
    return float(scores[supported].mean()) if supported.any() else 0.0


def macro_of_each(scores: NDArray[np.float64], true: NDArray[Any]) -> NDArray[np.float64]:
    """Returns what macro returns for each of R sets of tiles, [R] from [R, C]; the last bit may differ."""
    supported = true > 0
    return np.asarray((scores * supported).sum(axis=-1) / np.maximum(supported.sum(axis=-1), 1))
