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
from numpy.typing import NDArray

_STEPS = 100_000  # five decimals, as for thresholds, so that the last bits of a score do not change a model's version
_ROUND_OFF = 1e-12  # of a sum of shares


def lowest_scores(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.bool_],
    unit_of_tile: NDArray[np.int32],
    max_miss_rate: float,
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Returns the bound of each class, in 0..1, and on how many fields it rests.

    Rounded down, so that it is never above what is allowed. 0 if the fields are too few.

    Args:
      probabilities, labels: [N, C]; they may be on disk.
      unit_of_tile: The number of each tile's field, [N].
      max_miss_rate: In 0..1. At 0 nothing is ruled out, at 1 everything below a threshold.
    """
    found = [
        _bound(np.asarray(probabilities[:, c])[has], unit_of_tile[has], max_miss_rate)
        for c in range(labels.shape[1])
        for has in (np.asarray(labels[:, c]),)
    ]
    return tuple(bound for bound, _ in found), tuple(num_fields for _, num_fields in found)


def _bound(scores: NDArray[np.float32], units: NDArray[np.int32], max_miss_rate: float) -> tuple[float, int]:
    """Returns the bound of one class, and the number of fields, from the tiles that have it."""
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


def not_sure(
    probabilities: NDArray[np.float32], predicted: NDArray[np.bool_], low: tuple[float, ...]
) -> NDArray[np.bool_]:
    """Returns where the answer is neither yes nor no, bool [N, C], compared as float32 like the served model."""
    return np.asarray(~predicted & (probabilities >= np.asarray(low, np.float32)))


def miss_shares(
    predicted: NDArray[np.bool_],
    unsure: NDArray[np.bool_],
    labels: NDArray[np.bool_],
    unit_of_tile: NDArray[np.int32],
    num_units: int,
) -> NDArray[np.float64]:
    """Returns a field's loss by class, [U, C]; NaN where a field does not have the class.

    Args:
      predicted, unsure: Where the answer is "yes", and "not sure", [N, C].
      labels: [N, C].
      unit_of_tile: The number of each tile's field, below `num_units`, [N].
    """
    shares = np.full((num_units, labels.shape[1]), np.nan)
    for c in range(labels.shape[1]):
        has = np.asarray(labels[:, c])
        true = np.bincount(unit_of_tile[has], minlength=num_units)
        missed = has & ~predicted[:, c] & ~unsure[:, c]
        lost = np.bincount(unit_of_tile[missed], minlength=num_units)
        shares[true > 0, c] = lost[true > 0] / true[true > 0]
    return shares
