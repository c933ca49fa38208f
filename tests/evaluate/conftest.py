"""Models are run in the test's process where a test asks for it, and what many tests evaluate is evaluated once."""

import pytest
from colour_model import colour_dataset, colour_training, put_in_production
from evaluating import evaluate
from models_here import models_here, run_models_here

__all__ = ["models_here"]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A dataset, with a training that is blind for the last of three classes, and one that sees all."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root)
    poor = colour_training(root, manifest, "poor", num_blind=1)
    good = colour_training(root, manifest, "good")
    return root, manifest, poor, good


@pytest.fixture(scope="session")
def outcome(data, tmp_path_factory):
    """What the step makes of the poor model with nothing in production, and its report."""
    tmp_path = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        found = evaluate(data, data[2], str(tmp_path / "models"), tmp_path)
    return found, (tmp_path / "report.html").read_text()


@pytest.fixture(scope="session")
def evaluated(outcome):
    """The poor model's evaluation, with nothing in production."""
    return outcome[0].evaluation


@pytest.fixture(scope="session")
def poor_in_production(data, evaluated, tmp_path_factory):
    """A models folder with the poor model in production; to be copied."""
    folder = tmp_path_factory.mktemp("models")
    return folder, put_in_production(data[0], data[2], evaluated, str(folder))


@pytest.fixture
def models_uri(tmp_path):
    return str(tmp_path / "models")
