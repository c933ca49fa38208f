"""A version that was pushed is asked over HTTP: it answers as it was evaluated, and as `agrivision predict` answers."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from colour_model import colour_dataset, colour_training
from models_here import run_models_here
from serving import ROOT, outputs_of, post, served
from tile_shards import fake_record

from components.evaluate.evaluation import evaluate_training
from components.evaluate.settings import EvaluateSettings
from components.progress import StepLog
from components.push.publish import push_model

pytestmark = pytest.mark.slow

LOG = StepLog("push")
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A models URI with a pushed version, and what its evaluation kept of the test tiles, by name."""
    root = tmp_path_factory.mktemp("pushed")
    manifest = colour_dataset(root)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        receipt = colour_training(root, manifest)
        settings = EvaluateSettings(max_miss_rate=0.3)
        page = root / "report.html"
        evaluated = evaluate_training(str(root), str(root / "models"), manifest, receipt, page, LOG, settings)
        push_model(str(root), str(root / "models"), manifest, receipt, evaluated.evaluation, LOG)
    with np.load(root / evaluated.evaluation.predictions_path) as arrays:
        kept = zip(*(arrays[name] for name in ("tile_ids", "candidate", "candidate_predicted")), strict=True)
        return root / "models", {name: (probabilities, predicted) for name, probabilities, predicted in kept}


@pytest.mark.long
def test_a_pushed_version_answers_over_http_as_it_was_evaluated(pushed):
    models_uri, kept = pushed
    tiles = [fake_record(2000 + number) for number in range(48)]
    assert sorted(tile.tile_id for tile in tiles) == sorted(kept)
    probabilities, predicted = (np.stack([kept[tile.tile_id][of] for tile in tiles]) for of in (0, 1))
    with served(models_uri) as running, running.client() as client:
        for size in (1, 7, 24):
            answers = [outputs_of(post(client, tiles[first : first + size])) for first in range(0, 48, size)]
            found = {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}

            assert np.abs(found["probabilities"] - probabilities).max() <= TOLERANCE
            assert (found["predicted"] == predicted).all()


def test_it_answers_as_predict_answers(pushed, tmp_path):
    models_uri, _ = pushed
    tiles = [fake_record(4000 + number) for number in range(6)]
    for number, tile in enumerate(tiles):
        for name, ending in (("rgb", "jpg"), ("nir", "jpg"), ("valid_mask", "png")):
            folder = tmp_path / "tiles" / name.replace("valid_mask", "mask")
            folder.mkdir(parents=True, exist_ok=True)
            if content := getattr(tile, name):
                (folder / f"{number}.{ending}").write_bytes(content)
    command = [sys.executable, "-m", "pipeline.cli", "predict", str(models_uri), str(tmp_path / "tiles"), "--csv", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    rows = sorted(csv.DictReader(done.stdout.splitlines()), key=lambda row: row["tile"])
    with served(models_uri) as running, running.client() as client:
        found = outputs_of(post(client, tiles))

    assert [row["tile"] for row in rows] == [str(number) for number in range(6)]
    for at, name in enumerate(found["class_names"][0]):
        assert [f"{value:.6f}" for value in found["probabilities"][:, at]] == [
            row[f"{name}_probability"] for row in rows
        ]
        answers = np.where(found["predicted"][:, at], "yes", np.where(found["not_sure"][:, at], "not sure", "no"))
        assert answers.tolist() == [row[f"{name}_answer"] for row in rows]
