"""A served model gives the calibrated probabilities of its evaluation, and says where it is not sure."""

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import colour_dataset, colour_training
from model_cards import card_of
from tile_shards import fake_record

from components.contracts import Calibration, Evaluation, ModelCard, NotSure, Scores
from components.errors import DataError, SettingsError
from components.progress import StepLog
from components.push.card import model_card
from components.push.publish import push_model
from components.push.serving import save_serving_model
from components.push.verify import _check_not_sure
from components.scoring.calibration import Scaling, calibrated
from components.scoring.risk_control import not_sure

SLOPES, OFFSETS, LOW = (0.5, 1.25, 3.0), (-1.0, 0.25, 2.0), (0.0, 0.2, 0.49)


def evaluation_of(manifest, receipt) -> Evaluation:
    return Evaluation(
        training_id=receipt.training_id,
        manifest_sha256=manifest.sha256,
        num_test_tiles=1,
        thresholds=(0.5, 0.6, 0.5),
        calibration=Calibration(slopes=SLOPES, offsets=OFFSETS),
        not_sure=NotSure(max_miss_rate=0.1, low=LOW, num_val_fields=(3, 20, 40)),
        candidate=Scores(macro_f1=0.5, macro_precision=0.5, macro_recall=0.5, map=0.5, per_class={}),
        predictions_path="evaluations/x/predictions.npz",
    )


def training_of(root, label_mode="multi_label"):
    manifest = colour_dataset(root, num_val=3, num_test=3)
    return manifest, colour_training(root, manifest, label_mode=label_mode)


def asked(model, function):
    records = [fake_record(2000 + number) for number in range(12)]
    images = (tf.constant([getattr(record, name) for record in records]) for name in ("rgb", "nir", "valid_mask"))
    return function(model)(**dict(zip(("rgb", "nir", "valid_mask"), images, strict=True)))


@pytest.mark.parametrize("label_mode", ["multi_label", "single_label"])
def test_the_served_model_calibrates_as_the_evaluation_does(tmp_path, label_mode):
    manifest, receipt = training_of(tmp_path, label_mode)
    card = model_card(receipt, evaluation_of(manifest, receipt), "content")
    save_serving_model(tmp_path / receipt.model_path, card, tmp_path / "serving")

    exported = tf.saved_model.load(str(tmp_path / receipt.model_path))
    served = tf.saved_model.load(str(tmp_path / "serving"))
    logits = asked(exported, lambda model: model.logits_encoded).numpy()
    answer = asked(served, lambda model: model.signatures["masked"])

    probabilities, predicted = answer["probabilities"].numpy(), answer["predicted"].numpy()
    expected = calibrated(logits, Scaling(SLOPES, OFFSETS), label_mode == "single_label")
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)
    assert (answer["not_sure"].numpy() == not_sure(probabilities, predicted, LOW)).all()
    assert answer["not_sure"].numpy().any()


@pytest.mark.long
def test_a_model_of_an_earlier_version_answers_as_before(tmp_path):
    manifest, receipt = training_of(tmp_path)
    earlier = msgspec.structs.replace(evaluation_of(manifest, receipt), calibration=Calibration(), not_sure=None)
    save_serving_model(tmp_path / receipt.model_path, model_card(receipt, earlier, "content"), tmp_path / "serving")

    exported = tf.saved_model.load(str(tmp_path / receipt.model_path))
    answer = asked(tf.saved_model.load(str(tmp_path / "serving")), lambda model: model.signatures["masked"])

    assert set(answer) == {"probabilities", "predicted", "class_names"}
    expected = asked(exported, lambda model: model.predict_encoded).numpy()
    np.testing.assert_array_equal(answer["probabilities"].numpy(), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"calibration": Calibration(slopes=(0.5, 1.25, 3.1), offsets=OFFSETS)},
        {"calibration": Calibration(slopes=SLOPES, offsets=(-1.0, 0.25, 2.1))},
        {"not_sure": NotSure(max_miss_rate=0.1, low=(0.0, 0.2, 0.48), num_val_fields=(3, 20, 40))},
        {"not_sure": None},
    ],
)
def test_what_changes_an_answer_changes_the_version(tmp_path, change):
    manifest, receipt = training_of(tmp_path)
    evaluation = evaluation_of(manifest, receipt)

    version = model_card(receipt, evaluation, "content").version

    assert model_card(receipt, msgspec.structs.replace(evaluation, **change), "content").version != version
    measured = msgspec.structs.replace(evaluation.not_sure, share=0.3, miss_rate=0.2)
    again = msgspec.structs.replace(evaluation, not_sure=measured)
    assert model_card(receipt, again, "content").version == version


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"calibration": Calibration(slopes=(1.0,), offsets=OFFSETS)}, "has 1 slopes for 3 classes"),
        ({"calibration": Calibration(slopes=SLOPES)}, "has 0 offsets for 3 classes"),
        ({"not_sure": NotSure(max_miss_rate=0.1, low=(), num_val_fields=())}, "has 0 bounds of not sure for 3 classes"),
        ({"thresholds": (0.5,)}, "has 1 thresholds for 3 classes"),
    ],
)
def test_an_evaluation_of_other_classes_is_not_pushed(tmp_path, change, message):
    manifest, receipt = training_of(tmp_path)
    evaluation = msgspec.structs.replace(evaluation_of(manifest, receipt), **change)

    with pytest.raises(SettingsError, match=message):
        push_model(str(tmp_path), str(tmp_path / "models"), manifest, receipt, evaluation, StepLog("push"))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([[False, True, False]], None),
        ([[True, True, False]], 'where it says "not sure" of a differs'),
        ([[False, False, False]], 'where it says "not sure" of b differs'),
        ([[False, True, True]], None),  # a difference within the tolerance decides there
        (None, 'for each of 3 classes whether it is "not sure"'),
        ([[False, True]], 'for each of 3 classes whether it is "not sure"'),
        ([[0, 1, 0]], 'for each of 3 classes whether it is "not sure"'),
    ],
)
def test_a_wrong_not_sure_is_seen_before_it_is_served(tmp_path, answers, message):
    manifest, receipt = training_of(tmp_path)
    evaluation = msgspec.structs.replace(
        evaluation_of(manifest, receipt), not_sure=NotSure(max_miss_rate=0.1, low=(0.2,) * 3, num_val_fields=(20,) * 3)
    )
    card = msgspec.structs.replace(model_card(receipt, evaluation, "content"), classes=("a", "b", "c"))
    probabilities = np.array([[0.1, 0.4, 0.199999]], np.float32)
    nothing = np.zeros((1, 3), bool)

    def check() -> None:
        given = None if answers is None else np.array(answers)
        _check_not_sure(given, probabilities, nothing, nothing, card)

    if message is None:
        check()
    else:
        with pytest.raises(DataError, match=message):
            check()


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"calibration": Calibration(slopes=(0.0, 1.0, 1.0), offsets=OFFSETS)}, r"at `\$.calibration.slopes\[\d\]`"),
        ({"calibration": Calibration(slopes=(-1.0, 1.0, 1.0), offsets=OFFSETS)}, r"at `\$.calibration.slopes\[\d\]`"),
        ({"calibration": Calibration(slopes=(1e308, 1.0, 1.0), offsets=OFFSETS)}, r"at `\$.calibration.slopes\[\d\]`"),
        (
            {"calibration": Calibration(slopes=SLOPES, offsets=(-1e308, 0.0, 0.0))},
            r"at `\$.calibration.offsets\[\d\]`",
        ),
        ({"not_sure": NotSure(max_miss_rate=0.1, low=(-0.1, 0.0, 2.0), num_val_fields=(3,) * 3)}, "at `.*not_sure.low"),
        ({"thresholds": (0.5, 0.5, 1.5)}, r"at `\$.thresholds\[\d\]`"),
        ({"thresholds": (float("nan"), 0.5, 0.5)}, r"got `null` - at `\$.thresholds\[0\]`"),
    ],
)
def test_numbers_that_no_evaluation_finds_are_refused_where_they_are_read(change, fault):
    scores = Scores(macro_f1=0.5, macro_precision=0.5, macro_recall=0.5, map=0.5, per_class={})
    evaluation = Evaluation(
        **{
            "training_id": "t",
            "manifest_sha256": "0" * 64,
            "num_test_tiles": 1,
            "thresholds": (0.5,) * 3,
            "candidate": scores,
            "predictions_path": "p",
            **change,
        }
    )
    with pytest.raises(DataError, match=rf"evaluation.json is not an evaluation that this version can read: .*{fault}"):
        Evaluation.from_json(evaluation.to_json(), "evaluation.json")
    card = msgspec.structs.replace(card_of("v"), **change)
    with pytest.raises(DataError, match=fault):
        ModelCard.from_json(card.to_json(), "card.json")
