"""Turns probabilities into decisions: one threshold per class, chosen on the val split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.f1_score import f1
from components.scoring import ranking

UNDECIDED = 0.5
LOWEST, HIGHEST = 0.01, 0.99

# Tested with two small models on 200 random halves of 18 fields: macro F1 on the unseen half is 0.781 and 0.568, while
# the plain optimum of the seen half gives 0.749 and 0.539. On simulated scores that are far from probabilities, where a
# fixed 0.5 finds almost nothing, they cost at most 0.05 F1 with 3 positives and 0.005 with 20.
_PRIOR_FIELDS = 4.0  # how many val fields the prior is worth
_KEPT_F1 = 0.8  # share of the best F1 on val that a threshold must keep

# Rounding keeps the last bits of a probability from changing a threshold, and with it the model's version.
_DECIMALS = 5


def choose_thresholds(
    probabilities: NDArray[np.float32], labels: NDArray[np.bool_], units: NDArray[np.generic]
) -> tuple[float, ...]:
    """Chooses the threshold of every class for a high F1 on unseen fields.

    Starts from the threshold with the highest F1 on these tiles, midway between two neighbouring scores, and draws it
    towards 0.5. The fewer fields have the class, the further it is drawn, because the best cut for a few fields is
    mostly luck. But F1 must stay near its best, because the scores of a rare class may all be far below 0.5.

    Args:
      probabilities: Calibrated, in 0..1, [N, C], on the val split.
      labels: [N, C].
      units: The field of each tile, by name or number, [N]; its tiles count as one observation.

    Returns:
      Thresholds in 0.01..0.99, [C]; 0.5 for a class without positives, or one that the model does not tell apart.
    """
    return tuple(
        _choose(probabilities[:, c], labels[:, c], len(np.unique(units[labels[:, c]]))) for c in range(labels.shape[1])
    )


def fixed_thresholds(num_classes: int) -> tuple[float, ...]:
    """Returns the thresholds of a single-label model: placeholders, because there is nothing to choose."""
    return (UNDECIDED,) * num_classes


def _choose(scores: NDArray[np.float32], positive: NDArray[np.bool_], num_fields: int) -> float:
    # Equal scores part nothing. Calibrated, they are the class's share of tiles, and to predict it always would tell
    # nobody anything.
    if num_fields == 0 or (not positive.all() and scores.min() == scores.max()):
        return UNDECIDED
    best, best_f1 = _best_cut(scores, positive)
    drawn = _PRIOR_FIELDS / (num_fields + _PRIOR_FIELDS)
    for share in (drawn, drawn / 2, drawn / 4):
        # In log-odds, where 0.5 is 0: the scores of a rare class crowd near 0, where a step of 0.1 is huge.
        threshold = _bounded(1 / (1 + np.exp(-(1 - share) * _logit(best))))
        predicted = scores >= np.float64(threshold)
        if f1((predicted & positive).sum(), predicted.sum(), positive.sum()) >= _KEPT_F1 * best_f1:
            return threshold
    return _bounded(best)


def _best_cut(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Returns the cut with the highest F1, and that F1; among equals, the highest cut.

    It is below a score of a tile that has the class: to predict another without it only lowers F1.
    """
    ranks = ranking.rank(positive, scores)
    of_cut = f1(ranks.true, ranks.true + ranks.false, ranks.true[-1])
    cut = int(np.argmax(of_cut))
    lowest = ranks.scores[cut]
    below = scores[scores < lowest].max(initial=0.0)
    return (float(lowest) + float(below)) / 2, float(of_cut[cut])


def _bounded(threshold: float) -> float:
    return round(float(np.clip(threshold, LOWEST, HIGHEST)), _DECIMALS)


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-4), 1 - 1e-4)
    return float(np.log(bounded / (1 - bounded)))


def decide(probabilities: NDArray[np.float32], thresholds: Sequence[float], label_mode: str) -> NDArray[np.bool_]:
    """Returns the classes that a model predicts, bool [N, C], for probabilities float32 [N, C].

    Multi-label: every class whose probability reaches its threshold, compared as float32 like the served model.
    Single-label: the most probable class, the first among equals.
    """
    if label_mode == "single_label":
        return np.asarray(np.eye(probabilities.shape[1], dtype=np.bool_)[probabilities.argmax(axis=1)])
    return np.asarray(probabilities >= np.asarray(thresholds, np.float32))
