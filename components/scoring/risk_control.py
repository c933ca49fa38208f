"""When "no" is safe to say: bounds below which a class is ruled out, so that few patterns are missed.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, Conformal Risk Control, ICLR 2024, theorem 1).
For a class and a bound, a field's loss is the share of its tiles with the class that score below the bound: patterns
to which the model would say "no". It grows with the bound, and is at most 1. With n fields that have the class, the
bound is the highest at which

    n / (n + 1) * mean loss + 1 / (n + 1) <= max_miss_rate.

Then a new field that has the class loses at most `max_miss_rate` of its tiles with it, on average over fields, if it
is drawn like these n: whatever the model, and however few the fields are. No bound promises that of fewer fields than
1 / max_miss_rate - 1; then nothing is ruled out.

Only the order of the scores counts, so it does not matter that slopes and offsets were fitted on the same tiles.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STEPS = 100_000  # five decimals, as for thresholds, so that the last bits of a score do not change a model's version
_ROUND_OFF = 1e-12  # of a sum of shares


def lowest_score(scores: NDArray[np.float32], units: NDArray[np.int32], max_miss_rate: float) -> tuple[float, int]:
    """Returns the bound of a class, in 0..1, and on how many fields it rests.

    Rounded down, so that it is never above what is allowed. 0 if the fields are too few.

    Args:
      scores: The scores of the tiles that have the class, [P].
      units: The numbers of their fields, [P].
      max_miss_rate: In 0..1. At 0 nothing is ruled out, at 1 everything below a threshold.
    """
    _, unit, tiles = np.unique(units, return_inverse=True, return_counts=True)
    n = len(tiles)
    if max_miss_rate >= 1:
        return 1.0, n
    allowed = (max_miss_rate * (n + 1) - 1) / n if n else -1.0  # of the mean loss
    if allowed < 0:
        return 0.0, n
    order = np.argsort(scores, kind="stable")
    # The mean loss of a bound just above each score.
    losses = np.cumsum((1 / (n * tiles))[unit[order]])
    first = int(np.searchsorted(losses, allowed + _ROUND_OFF, side="right"))
    return _rounded_down(float(scores[order[min(first, len(order) - 1)]])), n


def _rounded_down(score: float) -> float:
    return float(min(max(math.floor(score * _STEPS) / _STEPS, 0.0), 1.0))


def not_sure(probabilities: NDArray[np.float32], predicted: NDArray[np.bool_], low: ArrayLike) -> NDArray[np.bool_]:
    """Returns where the answer is neither yes nor no, compared as float32 like the served model.

    Args:
      probabilities, predicted: Of all classes, [N, C], or of one, [N].
      low: The bounds, [C], or the one.
    """
    return np.asarray(~predicted & (probabilities >= np.asarray(low, np.float32)))


def miss_shares(
    kept: NDArray[np.bool_], labels: NDArray[np.bool_], unit_of_tile: NDArray[np.int32], num_units: int
) -> NDArray[np.float64]:
    """Returns the loss of each field in one class, [U]; NaN where a field does not have it.

    Args:
      kept: Where the answer is not "no", [N].
      labels: [N].
      unit_of_tile: The number of each tile's field, below `num_units`, [N].
    """
    true = np.bincount(unit_of_tile[labels], minlength=num_units)
    lost = np.bincount(unit_of_tile[labels & ~kept], minlength=num_units)
    return np.where(true > 0, lost / np.maximum(true, 1), np.nan)
