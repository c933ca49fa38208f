"""A model with a dense head, and what an evaluation found of it."""

import dataclasses
from pathlib import Path

import pytest
from colour_model import colour_dataset, colour_training
from models_here import models_here, run_models_here

from components.contracts import Manifest, TrainingReceipt
from components.evaluate.evaluation import EvaluationResult, evaluate_training
from components.progress import StepLog

__all__ = ["models_here"]


@dataclasses.dataclass(frozen=True)
class Dense:
    root: Path
    manifest: Manifest
    receipt: TrainingReceipt
    result: EvaluationResult

    @property
    def page(self) -> str:
        return (self.root / "report.html").read_text().replace("<wbr>", "")


@pytest.fixture(scope="session")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Dense:
    root = tmp_path_factory.mktemp("dense")
    manifest = colour_dataset(root, label_masks=True)
    receipt = colour_training(root, manifest, dense=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        place, nothing = str(root), str(root / "n")
        result = evaluate_training(place, nothing, manifest, receipt, root / "report.html", StepLog("evaluate"))
    return Dense(root, manifest, receipt, result)
