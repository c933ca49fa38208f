"""A dataset with two trainings of different models, how one of them is pushed, and what that leaves to see."""

from pathlib import Path

import msgspec
import pytest
from colour_model import colour_dataset, colour_training
from models_here import run_models_here

from components import storage
from components.contracts import Evaluation, Manifest, PushReceipt, TrainingReceipt
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push.publish import push_model

LOG = StepLog("push")
Pair = tuple[TrainingReceipt, Evaluation]
Trainings = tuple[Path, Manifest, Pair, Pair]


def evaluate(data_root: Path, models_uri: Path, manifest: Manifest, receipt: TrainingReceipt) -> Evaluation:
    report_path = data_root / "report.html"
    return evaluate_training(str(data_root), str(models_uri), manifest, receipt, report_path, LOG).evaluation


@pytest.fixture(scope="session")
def two_trainings(tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    """A dataset and two trainings of different models, each evaluated with nothing in production."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root)
    pairs = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        for name, num_blind in (("first", 1), ("second", 0)):
            receipt = colour_training(root, manifest, name, num_blind=num_blind)
            pairs.append((receipt, evaluate(root, root / "none", manifest, receipt)))
    return root, manifest, pairs[0], pairs[1]


def push(trainings: Trainings, models_uri: Path, pair: Pair, **changes: object) -> PushReceipt:
    """Pushes one of the trainings; `changes` are of its evaluation."""
    root, manifest = trainings[:2]
    return push_model(str(root), str(models_uri), manifest, pair[0], msgspec.structs.replace(pair[1], **changes), LOG)


def visible(models_uri: Path) -> list[str]:
    """Every visible file under models_uri, that is, without temporary and lock files."""
    return sorted(file.path for file in storage.list_files(str(models_uri))) if models_uri.exists() else []
