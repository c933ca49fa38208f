"""The components evaluate and gate, called as a step calls them, with KFP's own artifact classes."""

import json

import pytest
from colour_model import CLASSES, colour_dataset, colour_training
from kfp import dsl

from components.contracts import Evaluation
from components.evaluate.component import evaluate
from components.gate.component import gate


def test_the_wrappers_hand_on_what_kfp_shows(tmp_path):
    manifest = colour_dataset(tmp_path)
    poor = colour_training(tmp_path, manifest, "poor", num_blind=1)

    def artifact(kind, name):
        return kind(name=name, uri=str(tmp_path / name))

    inputs = artifact(dsl.Dataset, "manifest"), artifact(dsl.Model, "receipt")
    manifest.write(inputs[0].path)
    poor.write(inputs[1].path)
    evaluation, decision = artifact(dsl.Artifact, "evaluation"), artifact(dsl.Artifact, "decision")
    metrics, classification = artifact(dsl.Metrics, "metrics"), artifact(dsl.ClassificationMetrics, "classification")
    report = artifact(dsl.HTML, "report")
    evaluate.python_func(
        str(tmp_path),
        str(tmp_path / "models"),
        *inputs,
        evaluation=evaluation,
        metrics=metrics,
        classification=classification,
        report=report,
    )
    result = Evaluation.read(evaluation.path)
    assert metrics.metadata["macro_f1"] == result.candidate.macro_f1
    assert len(classification.metadata["confusionMatrix"]["rows"]) == len(CLASSES) + 1
    assert 2 <= len(classification.metadata["confidenceMetrics"]) <= 200
    json.dumps([metrics.metadata, classification.metadata], allow_nan=False)
    refused = gate.python_func(str(tmp_path), str(tmp_path / "models"), 0.99, 0.0, 0.05, evaluation, decision)
    assert refused == "refuse"  # a poor model is not pushed
    places = str(tmp_path), str(tmp_path / "models")
    assert gate.python_func(*places, 0.5, 0.0, 0.05, evaluation, decision) == "push"
    with pytest.raises(SystemExit, match=r"^2$"):
        gate.python_func(*places, 1.5, 0.0, 0.05, evaluation, decision)
