"""A model as it is served: compared with its evaluation, and asked about a tile."""

import io

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from colour_model import BANDS, CLASSES, colour_dataset, colour_training, put_in_production
from hostile_images import header, of_zeros, png
from models_here import run_models_here
from tile_shards import encode, fake_record

from components.errors import DataError, SettingsError
from components.evaluate.evaluation import evaluate_training
from components.progress import StepLog
from components.push.card import model_card
from components.push.predict import predict
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


@pytest.fixture
def tile(tmp_path):
    """The files of a tile that is half outside the field and half masked."""
    record = fake_record(2002)
    (tmp_path / "rgb.jpg").write_bytes(record.rgb)
    (tmp_path / "nir.jpg").write_bytes(record.nir)
    half = np.zeros((48, 48), np.uint8)
    half[:, :24] = 255
    (tmp_path / "boundary.png").write_bytes(encode(half, "PNG"))
    (tmp_path / "mask.png").write_bytes(encode(255 - half, "PNG"))
    (tmp_path / "small.png").write_bytes(encode(half[:24], "PNG"))
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "bomb.png").write_bytes(png(header(20_000, 20_000)))
    return {path.stem: path for path in tmp_path.iterdir() if path.is_file()}, record


def test_predict_asks_the_production_model_or_a_version(data, tile):
    (_, _, _, models_dir, card), (paths, record) = data, tile
    answer = predict(str(models_dir), paths["rgb"], paths["nir"])
    assert list(answer) == list(CLASSES)
    assert [value.predicted for value in answer.values()] == [label == 1 for label in record.labels]
    assert answer == predict(str(models_dir / "versions" / card.version), paths["rgb"], paths["nir"])


def test_predict_counts_only_pixels_that_are_inside_the_field_and_usable(data, tile):
    paths, _ = tile
    answer = predict(str(data[3]), paths["rgb"], paths["nir"], paths["boundary"], paths["mask"])
    assert not any(value.predicted for value in answer.values())


def test_predict_says_what_is_wrong_in_one_line(data, tile, tmp_path):
    paths, _ = tile
    models_uri, rgb, nir = str(data[3]), paths["rgb"], paths["nir"]
    with pytest.raises(SettingsError, match="needs a NIR image"):
        predict(models_uri, rgb)
    with pytest.raises(SettingsError, match=r"no model at .*: it has neither production.json nor card.json"):
        predict(str(tmp_path), rgb, nir)
    with pytest.raises(DataError, match=r"text.jpg': neither a JPEG nor a PNG; expected"):
        predict(models_uri, paths["text"], nir)
    with pytest.raises(DataError, match=r"bomb.png': 20000x20000 px, at most 8192 px a side are read"):
        predict(models_uri, rgb, paths["bomb"])
    with pytest.raises(DataError, match=r"bomb.png': 20000x20000 px, at most 8192 px a side are read"):
        predict(models_uri, rgb, nir, paths["boundary"], paths["bomb"])
    with pytest.raises(DataError, match=r"cannot read image .*gone.jpg': No such file"):
        predict(models_uri, tmp_path / "gone.jpg", nir)
    with pytest.raises(DataError, match="boundary and mask must have the same size, got 48x48 and 48x24 pixels"):
        predict(models_uri, rgb, nir, paths["boundary"], paths["small"])
