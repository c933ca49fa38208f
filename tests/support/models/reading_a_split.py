"""A split as the evaluate step reads it, with a function in the place of a model."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import Manifest
from components.evaluate.reading.model_column import Answerer
from components.evaluate.reading.split_pass import read_split
from components.progress import StepLog
from components.records.tile_record import Record


def read_by_evaluate(
    data_root: str, manifest: Manifest, split: str, answer: Callable[[Sequence[Record]], NDArray[np.float32]]
) -> list[str]:
    """Reads a split and returns the names of its tiles."""
    models = {"candidate": Answerer("the model", "logits", answer, is_needed=True)}
    with tempfile.TemporaryDirectory() as folder:
        columns = read_split(models, data_root, manifest, split, Path(folder), StepLog("evaluate"), single_label=False)
        return [columns.tile_ids[row] for row in range(len(columns))]
