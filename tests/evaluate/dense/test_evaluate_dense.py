"""The evaluation of a model with a dense head, on real records with a real SavedModel."""

import dataclasses
import re

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import CLASSES, colour_dataset, colour_training, put_in_production
from tile_shards import fake_record, manifest_of, write_split

from components.contracts import Evaluation
from components.errors import DataError
from components.evaluate.dense import candidate
from components.evaluate.dense.truth import truth_of
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.records.shard_records import records_of
from components.records.tile_record import Record
from components.scoring.dense.pixel_classes import pixel_classes
from components.scoring.overlap_iou import overlap_iou, pixel_confusion

pytestmark = pytest.mark.usefixtures("models_here")


def records(dense, split: str = "test") -> list[Record]:
    shards = dense.manifest.splits[split].shards
    return [record for shard in shards for record in records_of(str(dense.root), shard, 3)]


def evaluate(root, manifest, receipt, tmp_path):
    return evaluate_training(
        str(root), str(tmp_path / "models"), manifest, receipt, tmp_path / "report.html", StepLog("evaluate")
    )


def test_the_score_is_that_of_every_test_pixel(dense):
    found = dense.result.evaluation.dense
    model = tf.saved_model.load(str(dense.root / dense.receipt.model_path))
    by_field, num_pixels = {}, 0
    for record in records(dense):
        images = (tf.constant([of]) for of in (record.rgb, record.nir, record.valid_mask))
        maps = model.dense_encoded(*images)["maps"].numpy()[0]
        truth = truth_of(record, 3)
        planes = {c: truth.plane(bits) for c, bits in truth.labels.items()}
        valid = truth.plane(truth.valid)
        predicted = pixel_classes(maps, found.thresholds, 48, 48)
        by_field[record.field_id] = by_field.get(record.field_id, 0) + pixel_confusion(predicted, planes, valid, 3)
        num_pixels += valid.sum()
    expected = overlap_iou(CLASSES, np.array([by_field[field] for field in sorted(by_field)]))
    assert found.mean_iou == pytest.approx(expected.mean)
    assert found.mean_iou > 0.8
    assert found.interval == pytest.approx(expected.interval)
    assert {"background": found.background_iou, **found.class_iou} == expected.by_class
    assert {"background": found.background_interval, **found.class_intervals} == expected.intervals
    assert found.num_pixels == num_pixels


def test_it_is_told_in_the_metrics_and_in_one_line(dense):
    assert dense.result.metrics["mean_iou"] == dense.result.evaluation.dense.mean_iou
    assert len(dense.result.metrics) <= 10
    assert f"mean IoU {dense.result.evaluation.dense.mean_iou:.3f} on 48 test tiles" in dense.result.summary
    assert Evaluation.from_json(dense.result.evaluation.to_json(), "it") == dense.result.evaluation


def test_the_sample_for_push_has_maps_of_a_few_tiles(dense):
    with np.load(dense.root / dense.result.evaluation.sample_path) as sample:
        assert sample["candidate_maps"].shape == (4, 8, 8, 3)
        assert sample["candidate_maps"].dtype == np.float32


def test_tile_answers_are_those_of_a_model_without_maps(dense, tmp_path):
    plain = colour_training(dense.root, dense.manifest, "plain")
    other = evaluate(dense.root, dense.manifest, plain, tmp_path).evaluation
    found = dense.result.evaluation
    assert other.dense is None
    assert (other.candidate, other.thresholds, other.calibration) == (
        found.candidate,
        found.thresholds,
        found.calibration,
    )


def test_a_second_evaluation_finds_the_same(dense, tmp_path):
    again = evaluate(dense.root, dense.manifest, dense.receipt, tmp_path).evaluation
    assert again == dense.result.evaluation


@pytest.mark.long
def test_maps_of_production_are_scored_on_the_same_pixels(dense, tmp_path):
    put_in_production(dense.root, dense.receipt, dense.result.evaluation, str(tmp_path / "models"))
    weak = colour_training(dense.root, dense.manifest, "weak", num_blind=1, dense=True)
    found = evaluate(dense.root, dense.manifest, weak, tmp_path).evaluation
    before = dense.result.evaluation
    assert found.production_dense.mean_iou == pytest.approx(before.dense.mean_iou, abs=1e-3)
    assert found.production_dense.thresholds == before.dense.thresholds
    assert found.production == before.candidate
    assert found.dense.class_iou["drydown"] == 0
    assert f"in production: {found.production_dense.mean_iou:.3f} (" in (tmp_path / "report.html").read_text()


@pytest.mark.long
def test_of_a_production_model_without_maps_only_tiles_are_compared(dense, tmp_path):
    plain = colour_training(dense.root, dense.manifest, "plain")
    evaluation = evaluate(dense.root, dense.manifest, plain, tmp_path).evaluation
    put_in_production(dense.root, plain, evaluation, str(tmp_path / "models"))
    found = evaluate(dense.root, dense.manifest, dense.receipt, tmp_path).evaluation
    assert found.production == evaluation.candidate
    assert found.production_dense is None
    assert found.dense == dense.result.evaluation.dense


def test_maps_of_production_that_break_are_a_note(dense, tmp_path, monkeypatch):
    put_in_production(dense.root, dense.receipt, dense.result.evaluation, str(tmp_path / "models"))
    refuse = DataError("it breaks down")

    def fails(*_):
        raise refuse

    monkeypatch.setattr(candidate, "as_maps", fails)
    found = evaluate(dense.root, dense.manifest, dense.receipt, tmp_path).evaluation
    assert found.production is None
    assert "it breaks down" in found.production_note
    assert found.production_dense is None
    assert found.dense == dense.result.evaluation.dense


def test_the_report_shows_where_the_classes_are(dense):
    page = dense.page
    assert "<h2>Where the classes are</h2>" in page
    assert f"Mean IoU {dense.result.evaluation.dense.mean_iou:.3f}, 95 % interval over fields" in page
    assert len(re.findall(r"figcaption>[\w ]+: \d+% of the pixels right", page)) == 3
    assert "Left out" not in page
    assert "storm_damage" not in page


def test_what_the_challenge_does_not_score_is_said(dense, tmp_path):
    manifest = msgspec.structs.replace(dense.manifest, layout="supervised-2021")
    receipt = msgspec.structs.replace(dense.receipt, manifest_sha256=manifest.sha256)
    evaluate(dense.root, manifest, receipt, tmp_path)
    page = (tmp_path / "report.html").read_text().replace("<wbr>", "")
    assert page.count("is not scored") == 1
    assert "As in the challenges of 2021 and 2022, storm_damage is not scored: its pixels are background" in page


def test_a_class_that_is_nowhere_has_no_score(tmp_path):
    manifest = colour_dataset(tmp_path, 8, 16, label_masks=True)
    receipt = colour_training(tmp_path, manifest, dense=True, num_blind=1)
    no_drydown = [
        dataclasses.replace(record, label_masks=(*record.label_masks[:2], b""), labels=[*record.labels[:2], 0.0])
        for record in records_of_split(tmp_path, manifest)
    ]
    splits = {**manifest.splits, "test": write_split(tmp_path, no_drydown, 1)}
    manifest = msgspec.structs.replace(manifest, splits=splits)
    receipt = msgspec.structs.replace(receipt, manifest_sha256=manifest.sha256)
    found = evaluate(tmp_path, manifest, receipt, tmp_path).evaluation.dense
    assert found.class_iou["drydown"] is None
    assert "drydown" not in found.class_intervals
    named = [found.background_iou, found.class_iou["water"], found.class_iou["weed_cluster"]]
    assert found.mean_iou == pytest.approx(np.mean(named))
    assert (
        "Left out of the mean, neither labelled nor predicted anywhere: drydown."
        in (tmp_path / "report.html").read_text()
    )


def records_of_split(root, manifest) -> list[Record]:
    return [record for shard in manifest.splits["test"].shards for record in records_of(str(root), shard, 3)]


@pytest.mark.parametrize(
    ("label_masks", "dense_export", "line"),
    [
        (False, True, "the maps are not judged: the shards hold no masks of the classes (shard_label_masks)"),
        (True, False, "the maps are not judged: an earlier version of this project exported the model; train it again"),
    ],
)
def test_maps_that_cannot_be_judged_are_said_and_fail_nothing(tmp_path, capsys, label_masks, dense_export, line):
    manifest = colour_dataset(tmp_path, 8, 12, label_masks=label_masks)
    receipt = colour_training(tmp_path, manifest, dense=dense_export)
    receipt = msgspec.structs.replace(receipt, config={"head": "cam"})
    result = evaluate(tmp_path, manifest, receipt, tmp_path)
    assert result.evaluation.dense is None
    assert "mean_iou" not in result.metrics
    assert line in capsys.readouterr().out
    assert "Where the classes are" not in (tmp_path / "report.html").read_text()


def test_a_damaged_mask_ends_the_evaluation_in_one_line(tmp_path):
    bad = dataclasses.replace(fake_record(2003, label_masks=True), label_masks=(b"x", b"", b""))
    test = [fake_record(2000 + number, label_masks=True) for number in range(6)] + [bad]
    val = [fake_record(1000 + number, label_masks=True) for number in range(8)]
    splits = {"val": write_split(tmp_path, val, 1), "test": write_split(tmp_path, test, 1)}
    manifest = manifest_of(splits, 48, label_masks=True)
    receipt = colour_training(tmp_path, manifest, dense=True)
    with pytest.raises(DataError, match=rf"the masks of tile '{bad.tile_id}' cannot be read: label mask 0: not a"):
        evaluate(tmp_path, manifest, receipt, tmp_path)


def test_without_val_a_place_shows_a_class_above_one_half(tmp_path):
    manifest = colour_dataset(tmp_path, 8, 12, label_masks=True)
    manifest = msgspec.structs.replace(manifest, splits={"test": manifest.splits["test"]})
    receipt = colour_training(tmp_path, manifest, dense=True)
    found = evaluate(tmp_path, manifest, receipt, tmp_path).evaluation.dense
    assert found.thresholds == (0.5, 0.5, 0.5)
