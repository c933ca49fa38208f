"""The evaluation of a trained model, on real records with a real SavedModel."""

import dataclasses
import hashlib
import json
import re

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, CLASSES, colour_dataset, colour_training
from evaluating import LOG, arrays_of, evaluate
from sklearn.metrics import f1_score
from tile_shards import fake_record, manifest_of, write_split

from components.errors import DataError, SettingsError
from components.evaluate.calibrating import apply_calibration
from components.evaluate.evaluation import evaluate_training
from components.evaluate.settings import EvaluateSettings

pytestmark = pytest.mark.usefixtures("models_here")


def test_scores_follow_from_the_predictions_that_are_kept(data, evaluated):
    evaluation, arrays = evaluated, arrays_of(data, evaluated)
    assert arrays["candidate"].dtype == np.float32
    assert arrays["candidate"].shape == arrays["labels"].shape == (48, 3)
    by_threshold = arrays["candidate"] >= np.array(evaluation.thresholds, np.float32)
    np.testing.assert_array_equal(arrays["candidate_predicted"], by_threshold)
    expected = f1_score(arrays["labels"], by_threshold, average="macro")
    assert evaluation.candidate.macro_f1 == pytest.approx(expected)
    assert 0.5 < evaluation.candidate.macro_f1 < 0.95  # blind for one class of three, so far from all and nothing
    assert evaluation.candidate.per_class["water"].f1 == 1.0
    assert {name.split("_")[0] for name in arrays["tile_ids"]} == set(arrays["field_ids"])
    assert len(set(arrays["tile_ids"])) == 48
    assert evaluation.manifest_sha256 == data[1].sha256
    assert evaluation.production_version is None


def test_the_candidate_answers_as_the_exported_model_does(data, evaluated):
    root, manifest, poor, _ = data
    arrays = arrays_of(data, evaluated)
    uris = [str(root / shard.path) for shard in manifest.splits["test"].shards]
    model = tf.saved_model.load(str(root / poor.model_path))
    for row, raw in enumerate(tf.data.TFRecordDataset(uris)):
        features = tf.train.Example.FromString(raw.numpy()).features.feature
        encoded = [tf.constant([features[name].bytes_list.value[0]]) for name in ("rgb", "nir", "valid_mask")]
        assert features["tile_id"].bytes_list.value[0].decode() == arrays["tile_ids"][row]
        np.testing.assert_allclose(model.logits_encoded(*encoded)[0], arrays["candidate_logits"][row], atol=1e-5)
    probabilities = apply_calibration(arrays["candidate_logits"], evaluated.calibration, "multi_label")
    np.testing.assert_array_equal(arrays["candidate"], probabilities)


def test_an_evaluation_says_when_the_model_is_not_sure_and_what_came_of_it(data, models_uri, tmp_path):
    root, manifest, poor, _ = data
    for rate in (0.0, 0.5, 1.0):
        settings = EvaluateSettings(max_miss_rate=rate)
        page = tmp_path / "report.html"
        evaluation = evaluate_training(str(root), models_uri, manifest, poor, page, LOG, settings).evaluation
        found = evaluation.not_sure
        assert found.max_miss_rate == rate
        assert set(found.per_class) == set(CLASSES)
        assert found.num_val_fields == (6, 6, 6)
        if rate == 1.0:
            assert (found.low, found.share) == (evaluation.thresholds, 0.0)
        if rate == 0.0:
            assert (found.low, found.miss_rate) == ((0.0, 0.0, 0.0), 0.0)
            assert found.share == pytest.approx(np.mean(~arrays_of(data, evaluation)["candidate_predicted"]))
    assert 0 <= evaluation.reliability.ece < 0.3


def test_equal_input_gives_equal_bytes(data, outcome, models_uri, tmp_path):
    again = evaluate(data, data[2], models_uri, tmp_path)
    assert again.evaluation.to_json() == outcome[0].evaluation.to_json()
    assert (tmp_path / "report.html").read_text() == outcome[1]


def test_a_class_that_never_occurs_is_left_out_and_nothing_is_nan(models_uri, tmp_path):
    records = [record for record in map(fake_record, range(20)) if not record.labels[2]]  # none has drydown
    splits = {name: write_split(tmp_path, records, 1) for name in ("val", "test")}
    manifest = manifest_of(splits, 48)
    receipt = colour_training(tmp_path, manifest)
    outcome = evaluate((tmp_path, manifest), receipt, models_uri, tmp_path)
    of_classes = {"f1_of_water", "f1_of_weed_cluster"}
    assert set(outcome.metrics) == {"f1_macro", "map", "precision_macro", "recall_macro"} | of_classes
    assert outcome.metrics["f1_macro"] == 1.0
    assert outcome.evaluation.thresholds[2] == 0.5
    assert outcome.evaluation.candidate.per_class["drydown"].support == 0
    roc = outcome.roc
    numbers = [roc.false_positive_rate, roc.true_positive_rate, roc.threshold, outcome.confusion.matrix]
    json.dumps([outcome.metrics, msgspec.to_builtins(outcome.evaluation), *numbers], allow_nan=False)


def test_the_report_shows_the_class_table_and_tiles_right_and_wrong(outcome):
    page = outcome[1].replace("<wbr>", "")
    for text in ("macro F1", "mAP", "Nothing in production yet", *CLASSES, "✓ found", "✗ missed"):
        assert text in page
    assert page.count("data:image/svg+xml") == 2 + len(CLASSES)  # precision-recall, ROC, reliability, without names
    assert "The gate decides after this whether the model is pushed" in page
    shown = page.partition("<h2>Right and wrong")[2].partition("<h2>Labels that")[0]
    assert {"✓ found", "✗ missed"} <= set(re.findall("[✓✗] (?:found|missed)", shown))
    assert page.count("data:image/jpeg") >= 3  # two classes found, and one missed that it is blind for


def test_where_nothing_was_judged_a_dash_stands_and_no_zero_and_no_curve(models_uri, tmp_path):
    records = [dataclasses.replace(fake_record(number), labels=[0.0] * len(CLASSES)) for number in range(12)]
    val = write_split(tmp_path, [fake_record(number) for number in range(12)], 1)
    manifest = manifest_of({"val": val, "test": write_split(tmp_path, records, 1)}, 48)
    evaluate((tmp_path, manifest), colour_training(tmp_path, manifest), models_uri, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "so nothing was judged" in page
    assert ">–</span> macro F1" in page
    assert "0.000" not in page
    assert "svg+xml" not in page
    assert "Ranking" not in page
    empty = "<td>–</td>"
    assert f"<td>background</td>{empty * 4}<td>{len(records)}</td>{empty * 2}" in page
    assert re.search(r"background: tiles without a class; \d+ of 12 had none predicted", page)


def test_of_a_class_that_was_never_predicted_no_precision_is_told(outcome):
    _, page = outcome  # of a model that is blind for the last class
    small = "<small>[^<]*</small>"
    assert re.search(rf"<td>{CLASSES[-1]}</td><td>0.000{small}</td><td>–</td><td>0.000{small}</td>", page)


def test_single_label_is_judged_by_the_most_probable_class_on_tiles_that_have_one(tmp_path, models_uri):
    manifest = colour_dataset(tmp_path, bands=BANDS[:3])  # RGB only
    receipt = colour_training(tmp_path, manifest, "single", label_mode="single_label")
    data = (tmp_path, manifest)
    outcome = evaluate(data, receipt, models_uri, tmp_path)
    arrays = arrays_of(data, outcome.evaluation)
    assert (arrays["labels"].sum(axis=1) == 1).all()
    assert outcome.evaluation.num_test_tiles == manifest.splits["test"].num_single_label
    assert (arrays["candidate_predicted"].argmax(axis=1) == arrays["candidate"].argmax(axis=1)).all()
    assert outcome.evaluation.thresholds == (0.5, 0.5, 0.5)
    assert outcome.confusion.categories == list(CLASSES)
    assert np.sum(outcome.confusion.matrix) == outcome.evaluation.num_test_tiles
    page = (tmp_path / "report.html").read_text()
    assert "there are no thresholds" in page
    num_left_out = manifest.splits["test"].num_tiles - outcome.evaluation.num_test_tiles
    assert f"{num_left_out} more tiles have no class, or several, and are left out." in page


def change(document, **changes):
    return msgspec.structs.replace(document, **changes)


def test_what_cannot_be_evaluated_is_refused_in_one_line(data, models_uri, tmp_path):
    _, manifest, poor, _ = data
    with pytest.raises(SettingsError, match="training poor was made from manifest other, not"):
        evaluate(data, change(poor, manifest_sha256="other"), models_uri, tmp_path)
    with pytest.raises(DataError, match=r"no SavedModel at .*gone"):
        evaluate(data, change(poor, model_path="training/gone/export"), models_uri, tmp_path)
    untested = change(manifest, splits={"val": manifest.splits["val"]})
    with pytest.raises(DataError, match="the dataset has no test tiles, only val"):
        evaluate(data, change(poor, manifest_sha256=untested.sha256), models_uri, tmp_path, untested)
    test = manifest.splits["test"]
    cut = change(test, shards=(change(test.shards[0], num_bytes=7), *test.shards[1:]))
    damaged = change(manifest, splits={**manifest.splits, "test": cut})
    with pytest.raises(DataError, match=r"shard .* must have 7 bytes, got"):
        evaluate(data, change(poor, manifest_sha256=damaged.sha256), models_uri, tmp_path, damaged)


def test_two_datasets_whose_answers_are_equal_keep_their_own_files(data, evaluated, models_uri, tmp_path):
    """As after a class was renamed: the tiles, and what a training without chance makes of them, stay the same."""
    root, manifest, poor, _ = data
    renamed = msgspec.structs.replace(manifest, classes=("lake", *manifest.classes[1:]))
    receipt = msgspec.structs.replace(poor, manifest_sha256=renamed.sha256, classes=renamed.classes)
    for evaluation in (evaluated, evaluate(data, receipt, models_uri, tmp_path, renamed).evaluation):
        for path, sha256 in (
            (evaluation.fields_path, evaluation.fields_sha256),
            (evaluation.sample_path, evaluation.sample_sha256),
            (evaluation.doubts.path, evaluation.doubts.sha256),
        ):
            assert hashlib.sha256((root / path).read_bytes()).hexdigest() == sha256, path
