"""A model on the test tiles: its probabilities, the classes it predicts, and its scores."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import Scores
from components.evaluate.reading.columns import derive, forget
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.scores import score
from components.evaluate.thresholds import decide
from components.scoring.field_sums import Answers, AnswerSums, class_edges, join_classes, sum_units


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


def sum_judged(classes: Sequence[str], tiles: SplitColumns, judged: Mapping[str, Judged]) -> AnswerSums:
    """Returns the sums by unit of what models did; one class at a time is in memory."""
    parts = []
    for c, name in enumerate(classes):
        one = slice(c, c + 1)
        labels, answers = tiles.labels[:, one], {}
        for of, model in judged.items():
            predicted, scores = model.predicted[:, one], model.probabilities[:, one]
            answers[of] = Answers(predicted, scores, class_edges(labels, scores))
        parts.append(sum_units([name], tiles.units, tiles.unit_of_tile, labels, answers))
        forget(tiles.labels, *(of for model in judged.values() for of in (model.probabilities, model.predicted)))
    return join_classes(parts)
