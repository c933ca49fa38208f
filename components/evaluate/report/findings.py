"""What the report is made from."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from components.contracts import ClassScores, Evaluation, Manifest, TrainingReceipt
from components.evaluate.field_intervals import CANDIDATE, PRODUCTION
from components.evaluate.reading.columns import forget
from components.evaluate.scores import ConfusionMatrix, RocCurve
from components.scoring.field_sums import AnswerSums

_BLOCK_NUMBERS = 4_000_000  # 20 MB of labels and probabilities at a time


@dataclasses.dataclass(frozen=True)
class AnsweredRows:
    """Some consecutive test tiles, n of them; arrays [n, C].

    Attributes:
      start: The row of the first.
    """

    start: int
    labels: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    predicted: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class AnsweredTiles:
    """The candidate's answers on the test tiles that count, [N, C]; mapped from disk, and read in blocks of rows.

    Attributes:
      positions: Position of the tile's record in the split, counted over its shards in order, [N].
      unit_of_tile: The number of its field in the sums, [N].
      uncalibrated: The probabilities that the model's logits alone would give; None if there is no calibration.
    """

    labels: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    predicted: NDArray[np.bool_]
    positions: NDArray[np.int64]
    unit_of_tile: NDArray[np.int32]
    uncalibrated: NDArray[np.float32] | None = None

    def blocks(self) -> Iterator[AnsweredRows]:
        """Yields all rows, in order."""
        num_rows, num_classes = self.labels.shape
        size = max(1, _BLOCK_NUMBERS // num_classes)
        for start in range(0, num_rows, size):
            rows = slice(start, start + size)
            labels, probabilities, predicted = self.labels[rows], self.probabilities[rows], self.predicted[rows]
            yield AnsweredRows(start, np.array(labels), np.array(probabilities), np.array(predicted))
            forget(self.labels, self.probabilities, self.predicted)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the evaluation found.

    Attributes:
      sums: Of the test fields, by the names of field_intervals.py.
      shares_right: The share of each tile's valid pixels that the maps show right, NaN without any, float32 [N]; None
        if no maps were judged.
    """

    manifest: Manifest
    receipt: TrainingReceipt
    evaluation: Evaluation
    sums: AnswerSums
    confusion: ConfusionMatrix
    roc: RocCurve
    tiles: AnsweredTiles
    shares_right: NDArray[np.float32] | None = None

    @property
    def is_single_label(self) -> bool:
        """Whether a tile has one class, and no thresholds."""
        return self.receipt.label_mode == "single_label"

    @property
    def models(self) -> tuple[str, ...]:
        """The models that answered, by name."""
        return (CANDIDATE, *([PRODUCTION] if self.evaluation.production else []))

    def judged_classes(self) -> list[tuple[int, str, ClassScores]]:
        """Returns number, name and scores of each class that test tiles have, the weakest F1 first."""
        classes = enumerate(self.evaluation.candidate.per_class.items())
        judged = [(c, name, scores) for c, (name, scores) in classes if scores.support]
        return sorted(judged, key=lambda each: (each[2].f1, each[0]))
