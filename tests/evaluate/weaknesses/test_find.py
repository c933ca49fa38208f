"""Where the candidate is weak, found by an evaluation of real records with a real SavedModel."""

import csv
import dataclasses
import hashlib
import io

import pytest
from colour_model import CLASSES, colour_training
from tile_shards import fake_record, manifest_of, write_split

from components.contracts import Evaluation
from components.evaluate.evaluation import evaluate_training
from components.evaluate.weaknesses.robustness import DARKENED
from components.progress import StepLog

pytestmark = pytest.mark.usefixtures("models_here")
WRONG = (5, 40)  # test tiles whose label is turned over for a class


def evaluated(root, label_mode="multi_label"):
    records = [fake_record(number) for number in range(96)]
    for number in WRONG:
        labels = list(records[number].labels)
        labels[0] = 1 - labels[0]
        records[number] = dataclasses.replace(records[number], labels=labels)
    val = write_split(root, [fake_record(1000 + number) for number in range(48)], 1)
    manifest = manifest_of({"val": val, "test": write_split(root, records, 2)}, 48)
    receipt = colour_training(root, manifest, label_mode=label_mode)
    log = StepLog("evaluate")
    return evaluate_training(str(root), str(root / "models"), manifest, receipt, root / "report.html", log).evaluation


def test_an_evaluation_has_slices_robustness_and_doubts(tmp_path):
    evaluation = evaluated(tmp_path)
    # The sums by field, which tell the year, are not beside this manifest.
    assert any(note.startswith("Year: ") for note in evaluation.slices.notes)
    assert {"Number of classes", "Brightness", "NDVI"} <= {score.dimension for score in evaluation.slices.scores}
    assert evaluation.robustness.num_tiles == evaluation.robustness.num_fields == 12
    assert evaluation.robustness.note == ""
    assert evaluation.robustness.control < 1e-5
    assert DARKENED in {row.change for row in evaluation.robustness.rows}
    content = (tmp_path / evaluation.doubts.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == evaluation.doubts.sha256
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert {row["tile"] for row in rows if row["class"] == CLASSES[0]} == {
        fake_record(number).tile_id for number in WRONG
    }
    assert evaluation.doubts.num_tiles == 48 + 96
    assert Evaluation.from_json(evaluation.to_json(), "evaluation") == evaluation


@pytest.mark.long
def test_in_single_label_mode_only_tiles_that_count_are_looked_at(tmp_path):
    evaluation = evaluated(tmp_path, "single_label")
    assert "Number of classes" not in {score.dimension for score in evaluation.slices.scores}
    assert 0 < evaluation.robustness.num_tiles <= evaluation.num_test_tiles < 96
    assert evaluation.robustness.control < 1e-5
    assert evaluation.doubts.num_tiles < 48 + 96
