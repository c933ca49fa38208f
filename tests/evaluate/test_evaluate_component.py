"""The components evaluate and gate, called as a step calls them, with KFP's own artifact classes."""

import json

import pytest
from colour_model import CLASSES, colour_dataset, colour_training
from kfp import dsl

from components.contracts import Decision, Evaluation
from components.evaluate.component import evaluate
from components.gate.component import gate


@pytest.mark.long
def test_the_wrappers_hand_on_what_kfp_shows(tmp_path):
    manifest = colour_dataset(tmp_path)
    poor = colour_training(tmp_path, manifest, "poor", num_blind=1)

    def artifact(kind, name):
        return kind(name=name, uri=str(tmp_path / name))

    inputs = artifact(dsl.Dataset, "manifest"), artifact(dsl.Model, "receipt")
    manifest.write(inputs[0].path)
    poor.write(inputs[1].path)
    evaluation, document = artifact(dsl.Artifact, "evaluation"), artifact(dsl.Artifact, "decision")
    metrics = artifact(dsl.Metrics, "metrics")
    confusion, roc = (artifact(dsl.ClassificationMetrics, name) for name in ("confusion", "roc"))
    evaluate.python_func(
        str(tmp_path),
        str(tmp_path / "models"),
        {"max_miss_rate": 0.5, "min_class_f1": 0.0},  # one of them is the gate's
        *inputs,
        evaluation=evaluation,
        evaluation_metrics=metrics,
        confusion_columns_true_rows_predicted=confusion,
        roc_micro_averaged=roc,
        evaluation_report=artifact(dsl.HTML, "report"),
    )
    result = Evaluation.read(evaluation.path)
    assert result.not_sure.max_miss_rate == 0.5
    assert metrics.metadata["f1_macro"] == result.candidate.macro_f1
    assert len(confusion.metadata["confusionMatrix"]["rows"]) == len(CLASSES) + 1
    assert 2 <= len(roc.metadata["confidenceMetrics"]) <= 200
    json.dumps([metrics.metadata, confusion.metadata, roc.metadata], allow_nan=False)
    shown = artifact(dsl.HTML, "decision-report"), artifact(dsl.Markdown, "decision-in-short")

    def decided(floor):
        decision, reason = gate.python_func(
            str(tmp_path), str(tmp_path / "models"), floor, {"max_miss_rate": 0.5}, evaluation, document, *shown
        )
        report, in_short = ((tmp_path / each.name).read_text() for each in shown)
        assert reason in document_of(tmp_path).reason
        return decision, report, in_short

    decision, report, in_short = decided(0.99)
    assert decision == "refuse"  # a poor model is not pushed
    assert "The model is not pushed." in report
    assert in_short.startswith("# Refused: production stays as it is\n")
    assert "Or lower `gate_min_macro_f1`" in in_short
    decision, report, in_short = decided(0.5)
    assert decision == "push"
    assert "The model is pushed." in report
    assert in_short.startswith("# Pushed\n")
    with pytest.raises(SystemExit, match=r"^2$"):
        decided(1.5)


def document_of(folder):
    return Decision.read(str(folder / "decision"))
