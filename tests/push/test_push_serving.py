"""A model as it is served: compared with its evaluation."""

import io

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, colour_dataset, colour_training, put_in_production
from hostile_images import of_zeros
from models_here import run_models_here
from tile_shards import fake_record

from components.errors import DataError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push.card import model_card
from components.push.serving import save_serving_model
from components.push.verify import verify_serving_model

pytestmark = pytest.mark.usefixtures("models_here")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A dataset, its manifest, an evaluated training, a models folder with its model in production, and the card."""
    root = tmp_path_factory.mktemp("data")
    manifest = colour_dataset(root)
    receipt = colour_training(root, manifest)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        outcome = evaluate_training(
            str(root), str(root / "n"), manifest, receipt, root / "report.html", StepLog("push")
        )
    card = put_in_production(root, receipt, outcome.evaluation, str(root / "models"))
    return root, manifest, outcome.evaluation, root / "models", card


def tampered_predictions(root, evaluation, change):
    with np.load(root / evaluation.predictions_path) as arrays:
        contents = {name: arrays[name].copy() for name in arrays.files}
    change(contents)
    buffer = io.BytesIO()
    np.savez(buffer, **contents)
    (root / "tampered.npz").write_bytes(buffer.getvalue())
    return "tampered.npz"


def one_probability_off(arrays):
    arrays["candidate"][-1, 0] += 1e-4


def one_decision_off(arrays):
    arrays["candidate_predicted"][0, 0] ^= True


def no_tile_known(arrays):
    arrays["tile_ids"] = np.array(["other"] * len(arrays["tile_ids"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (one_probability_off, r"it answers tile \S+ 0.0001 off, expected at most 1e-05"),
        (one_decision_off, r"its decision for tile \S+ differs"),
        (no_tile_known, "none of the evaluated tiles is in the test shards"),
    ],
)
def test_the_verification_sees_the_smallest_difference(data, change, message):
    root, manifest, evaluation, models_dir, card = data
    uri = str(models_dir / "versions" / card.version)
    assert "answered 48 test tiles" in verify_serving_model(uri, card, str(root), manifest, evaluation)
    path = tampered_predictions(root, evaluation, change)
    tampered = msgspec.structs.replace(evaluation, predictions_path=path)
    with pytest.raises(DataError, match=message):
        verify_serving_model(uri, card, str(root), manifest, tampered)


def test_a_single_label_rgb_model_takes_no_nir_and_predicts_one_class(data, tmp_path):
    manifest = colour_dataset(tmp_path, num_val=3, num_test=3, bands=BANDS[:3])
    receipt = colour_training(tmp_path, manifest, "single", label_mode="single_label")
    evaluation = msgspec.structs.replace(data[2], thresholds=(0.5, 0.5, 0.5))
    save_serving_model(tmp_path / receipt.model_path, model_card(receipt, evaluation, "w"), tmp_path / "serving")
    model = tf.saved_model.load(str(tmp_path / "serving"))
    record = fake_record(2001)
    assert set(model.signatures["serving_default"].structured_input_signature[1]) == {"rgb"}
    assert set(model.signatures["masked"].structured_input_signature[1]) == {"rgb", "valid_mask"}
    answer = model.signatures["serving_default"](rgb=tf.constant([record.rgb] * 2))
    assert answer["predicted"].numpy().sum(axis=1).tolist() == [1, 1]
    assert (answer["predicted"].numpy().argmax(axis=1) == answer["probabilities"].numpy().argmax(axis=1)).all()


def test_a_server_refuses_a_picture_that_claims_too_much_in_one_line(data):
    _, _, _, models_dir, card = data
    model = tf.saved_model.load(str(models_dir / "versions" / card.version))
    good = fake_record(2002)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"an image exceeds a limit: 8192 px a side") as raised:
        model.signatures["serving_default"](rgb=tf.constant([of_zeros(20_000, 20_000)]), nir=tf.constant([good.nir]))
    assert "[20000] [20000]" in str(raised.value)
