"""The probability above which a place shows a class, chosen on val for the highest mean IoU of the challenges.

On a sample of the pixels of all val tiles, a class at a time while the others stay, until none changes: each candidate
is judged by the score itself, in which a pixel has one class and its label set decides what is right. A sample holds
enough, since tiles of few fields differ by far more than a quarter of a million pixels leaves to chance.

Val has few fields, and the best for a few is mostly luck. So each threshold is drawn towards one half, in log-odds, and
the further the fewer fields have the class, as those of tiles are. With a small model on 24 random halves of 36 demo
fields, the mean IoU of the unseen half was 0.756 with one half for all, 0.770 with the best of the seen half, and 0.772
with that drawn: 0.016 more than with one half, and never less.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.scoring.dense.pixel_classes import log_odds
from components.scoring.dense.pixel_counts import confusion_of
from components.scoring.overlap_iou import BACKGROUND, iou

UNDECIDED = 0.5
SAMPLE_PIXELS = 1 << 18  # of all val tiles together; 10 MB for nine classes
MOST_OF_TILE = 4_096
_CANDIDATES = tuple(round(0.05 * step, 2) for step in range(1, 20))
_PRIOR_FIELDS = 4.0  # how many val fields one half is worth
_DECIMALS = 5  # so that the last bits of a float change no model's version
_MOST_ROUNDS = 4


def choose_place_thresholds(
    logits: NDArray[np.float32], labels: NDArray[np.uint16], num_fields: Sequence[int]
) -> tuple[float, ...]:
    """Returns the threshold of every class, in 0.05..0.95, [C]; one half for a class that no pixel has.

    Args:
      logits: Of some valid pixels, [P, C].
      labels: Their classes as bits, class c as 1 << c, [P].
      num_fields: The val fields that have each class, [C].
    """
    num_classes = len(num_fields)
    thresholds = [UNDECIDED] * num_classes
    sets, number_of_set = np.unique(labels, return_inverse=True)
    has = np.zeros((len(sets), num_classes + 1), np.int64)
    has[:, 1:] = sets[:, np.newaxis] >> np.arange(num_classes) & 1
    has[has.sum(axis=1) == 0, BACKGROUND] = 1
    judged = has.sum(axis=0) > 0
    for _ in range(_MOST_ROUNDS):
        before = list(thresholds)
        for c in np.flatnonzero(judged[1:]).tolist():
            scores = np.array(list(_scores(logits, number_of_set, has, judged, thresholds, c)))
            best = np.flatnonzero(scores == scores.max()).tolist()
            thresholds[c] = min((_CANDIDATES[at] for at in best), key=lambda each: (abs(each - UNDECIDED), each))
        if thresholds == before:
            break
    kept = np.array(num_fields) / (np.array(num_fields) + _PRIOR_FIELDS)
    drawn = 1 / (1 + np.exp(-kept * log_odds(thresholds).astype(np.float64)))
    return tuple(round(float(each), _DECIMALS) for each in drawn)


def _scores(
    logits: NDArray[np.float32],
    number_of_set: NDArray[np.intp],
    has: NDArray[np.int64],
    judged: NDArray[np.bool_],
    thresholds: list[float],
    c: int,
) -> Iterator[float]:
    """Yields the mean IoU over what the sample has, for each candidate of class c."""
    num_sets, num_names = has.shape
    margins = logits - log_odds(thresholds)
    margins[:, c] = -np.inf
    second = np.concatenate([np.zeros((len(margins), 1), np.float32), margins], axis=1)  # background is ahead by 0
    name = second.argmax(axis=1)
    ahead = logits[:, c] - second[np.arange(len(second)), name]
    # A pixel shows class c under the first `wins` candidates, and `name` under the others.
    wins = np.searchsorted(log_odds(_CANDIDATES), ahead, "left")
    key = (wins * num_names + name) * num_sets + number_of_set
    shape = (len(_CANDIDATES) + 1, num_names, num_sets)
    counts = np.bincount(key, minlength=int(np.prod(shape))).reshape(shape)
    lost = np.cumsum(counts, axis=0)  # by candidate: where it does not show c
    for candidate in range(len(_CANDIDATES)):
        table = lost[candidate].copy()
        table[c + 1] += (lost[-1] - lost[candidate]).sum(axis=0)
        yield float(np.nan_to_num(iou(confusion_of(table.T, has)))[judged].mean())
