"""The sums by field of the test split: written for the gate, and the intervals of all scores that follow from them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Scores
from components.scoring.field_lines import to_lines
from components.scoring.field_sums import AnswerSums
from components.scoring.intervals import METRICS, Intervals, intervals

CANDIDATE, PRODUCTION = "candidate", "production"
_FILE = "fields.jsonl"
# The total that is the mean of a class's score.
_TOTALS = {
    "f1": "macro_f1",
    "precision": "macro_precision",
    "recall": "macro_recall",
    "average_precision": "map",
    "roc_auc": "macro_roc_auc",
}


def write_sums(data_root: str, folder: str, scratch: Path, sums: AnswerSums) -> tuple[str, str]:
    """Writes the sums to a folder of an evaluation, once; returns the path under `data_root`, and the sha256.

    Args:
      scratch: An existing local folder.
    """
    digest = hashlib.sha256()
    with (scratch / _FILE).open("wb") as file:
        for line in to_lines(sums):
            file.write(line)
            digest.update(line)
    path = f"{folder}/{_FILE}"
    storage.upload_once(scratch / _FILE, storage.join(data_root, path))
    return path, digest.hexdigest()


def with_intervals(sums: AnswerSums, scores: Mapping[str, Scores]) -> dict[str, Scores]:
    """Returns the scores of each model, by its name in `sums`, with the intervals of all."""
    estimates = {model: _estimates(of_model, sums.classes) for model, of_model in scores.items()}
    found = intervals(sums, estimates)
    num_fields = (sums.true > 0).sum(axis=0)
    return {model: _with(of_model, found[model], sums.classes, num_fields) for model, of_model in scores.items()}


def interval_text(scores: Scores, name: str) -> str:
    """Returns the 95 % interval of a total, e.g. "0.712 – 0.790"; a dash if there is none."""
    low_high = scores.intervals.get(name)
    return " – ".join(f"{end:.3f}" for end in low_high) if low_high else "–"


def _estimates(scores: Scores, classes: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    return {metric: np.array([getattr(scores.per_class[name], metric) for name in classes]) for metric in METRICS}


def _with(scores: Scores, found: Intervals, classes: tuple[str, ...], num_fields: NDArray[np.int64]) -> Scores:
    per_class = {
        name: msgspec.structs.replace(
            scores.per_class[name],
            num_fields=int(num_fields[c]),
            intervals={metric: found.per_class[metric][c] for metric in METRICS},
        )
        for c, name in enumerate(classes)
    }
    totals = {_TOTALS[metric]: found.macro[metric] for metric in METRICS}
    return msgspec.structs.replace(scores, per_class=per_class, intervals=totals)
