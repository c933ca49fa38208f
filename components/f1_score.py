"""F1 and its macro average: one definition for training, evaluation, the choice of thresholds and the gate.

F1 of a class is the harmonic mean of precision and recall. With hits (true and predicted) it is
2 * hits / (predicted + true), the Dice coefficient (van Rijsbergen, Information Retrieval, 1979, chapter 7). As in
scikit-learn with zero_division=0, it is 0 for a class that is neither true nor predicted. Macro F1 is the plain mean
over the classes with support: a class without tiles says nothing, whatever was predicted.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def f1(hits: ArrayLike, predicted: ArrayLike, true: ArrayLike) -> Any:
    """Returns F1, in 0..1, from numbers of tiles, which have the same shape or broadcast; 0 where all are 0."""
    # These are whole numbers, so 1 replaces only a sum of 0.
    return 2 * np.asarray(hits) / np.maximum(np.add(predicted, true), 1)


def macro(scores: NDArray[np.float64], true: NDArray[Any]) -> float:
    """Returns the mean of `scores`, [C], over the classes with support; 0 if no class has any.

    Args:
      true: Number of tiles with the class, [C].
    """
    supported = true > 0
    return float(scores[supported].mean()) if supported.any() else 0.0


def macro_of_each(scores: NDArray[np.float64], true: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the macro average for each of R sets of tiles, [R] from [R, C]; the last bit may differ from macro's."""
    supported = true > 0
    return np.asarray((scores * supported).sum(axis=-1) / np.maximum(supported.sum(axis=-1), 1))
