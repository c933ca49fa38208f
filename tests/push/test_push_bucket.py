"""Evaluate, push, roll back and predict with data_root and models_uri on a bucket; needs STORAGE_EMULATOR_HOST."""

import os
import uuid
from pathlib import Path

import msgspec
import numpy as np
import pytest
from colour_model import colour_dataset, colour_training
from made_bucket import make_bucket
from one_tile import answer_about
from tile_shards import fake_record

from components import storage
from components.errors import AgrivisionError
from components.evaluate.evaluation import evaluate_training
from components.gate.decision import decide_push
from components.gate.settings import GateSettings
from components.progress import StepLog
from components.push.publish import push_model
from components.registry import read_production, rollback

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.slow,
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
]
LOG = StepLog("push")


@pytest.mark.long
def test_a_model_on_a_bucket_is_evaluated_pushed_compared_and_rolled_back(tmp_path: Path) -> None:

    bucket = f"push-{uuid.uuid4().hex}"
    make_bucket(bucket)
    data_root, models_uri = f"gs://{bucket}/data", f"gs://{bucket}/models"
    manifest = colour_dataset(tmp_path / "data")
    poor = colour_training(tmp_path / "data", manifest, "poor", num_blind=1)
    good = colour_training(tmp_path / "data", manifest, "good")
    for file in storage.list_files(str(tmp_path / "data")):
        storage.write_bytes(storage.join(data_root, file.path), (tmp_path / "data" / file.path).read_bytes())

    def evaluate(receipt):
        return evaluate_training(data_root, models_uri, manifest, receipt, tmp_path / "report.html", LOG).evaluation

    first = push_model(data_root, models_uri, manifest, poor, evaluate(poor), LOG)
    stale = evaluate(good)
    assert stale.production_version == first.model_version
    decision = decide_push(data_root, models_uri, GateSettings(min_macro_f1=0.5), stale)
    assert decision.decision == "push"
    second = push_model(data_root, models_uri, manifest, good, stale, LOG)
    assert second.previous_version == first.model_version
    # The first model was evaluated again against what is in production no more.
    with pytest.raises(AgrivisionError, match=f"another push won: .* is now {second.model_version}"):
        push_model(data_root, models_uri, manifest, poor, stale_for(poor, stale), LOG)
    record = fake_record(2002)
    (tmp_path / "rgb.jpg").write_bytes(record.rgb)
    (tmp_path / "nir.jpg").write_bytes(record.nir)
    answer = answer_about(models_uri, tmp_path / "rgb.jpg", tmp_path / "nir.jpg")
    assert [value.answer == "yes" for value in answer.values()] == list(np.array(record.labels) > 0)
    rollback(models_uri)
    assert read_production(models_uri)[0].version == first.model_version


def stale_for(receipt, evaluation):
    """The evaluation as if it were of another training, against the same production model."""
    return msgspec.structs.replace(evaluation, training_id=receipt.training_id, thresholds=(0.1, 0.2, 0.3))
