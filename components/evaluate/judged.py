"""A model on the test tiles: its probabilities, the classes it predicts, and its scores."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import Scores
from components.evaluate.columns import derive
from components.evaluate.predictions import SplitColumns
from components.evaluate.scores import score
from components.evaluate.thresholds import decide


@dataclasses.dataclass(frozen=True)
class Judged:
    """One model's results; the arrays lie on disk.

    Attributes:
      probabilities: In 0..1, finite, float32 [N, C].
      predicted: bool [N, C].
      thresholds: By which they are predicted, [C].
    """

    probabilities: NDArray[np.float32]
    predicted: NDArray[np.bool_]
    thresholds: Sequence[float]
    scores: Scores


def judge(
    tiles: SplitColumns,
    probabilities: NDArray[np.float32],
    thresholds: Sequence[float],
    classes: Sequence[str],
    label_mode: str,
    path: Path,
) -> Judged:
    """Decides and scores; `path` is a new local file for the decisions."""
    predicted = derive(path, lambda rows: decide(rows, thresholds, label_mode), probabilities, np.bool_)
    return Judged(
        probabilities, predicted, thresholds, score(tiles.labels, probabilities, predicted, thresholds, classes)
    )
