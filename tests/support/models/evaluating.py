"""Evaluates trainings of the colour model, and reads what was kept of their answers."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contracts import Evaluation, Manifest, TrainingReceipt
from components.evaluate.evaluation import EvaluationResult, evaluate_training
from components.progress import StepLog

LOG = StepLog("evaluate")


def evaluate(
    data: tuple, receipt: TrainingReceipt, models_uri: str, tmp_path: Path, manifest: Manifest | None = None
) -> EvaluationResult:
    """Evaluates a training on a dataset, (data_root, manifest, ...); the report is `tmp_path`/report.html."""
    return evaluate_training(str(data[0]), models_uri, manifest or data[1], receipt, tmp_path / "report.html", LOG)


def arrays_of(data: tuple, evaluation: Evaluation) -> dict[str, NDArray]:
    """Returns the kept predictions."""
    with np.load(io.BytesIO((data[0] / evaluation.predictions_path).read_bytes())) as arrays:
        return {name: arrays[name] for name in arrays.files}
