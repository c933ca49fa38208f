"""A model as it is served: compared with its evaluation."""

import hashlib
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
from components.push import verify_pixels
from components.push.card import model_card
from components.push.serving import save_serving_model
from components.push.verify import verify_serving_model
from components.records.source_image import as_png
from components.records.tile_pixels import tile_pixels

pytestmark = pytest.mark.usefixtures("models_here")


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """The same as `data`, of a model with a dense head."""
    root = tmp_path_factory.mktemp("dense")
    manifest = colour_dataset(root, label_masks=True)
    receipt = colour_training(root, manifest, dense=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        outcome = evaluate_training(
            str(root), str(root / "n"), manifest, receipt, root / "report.html", StepLog("push")
        )
    card = put_in_production(root, receipt, outcome.evaluation, str(root / "models"))
    return root, manifest, outcome.evaluation, root / "models", card


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


def tampered_sample(root, evaluation, change):
    """Returns the evaluation with a changed sample, as if that were what it had found."""
    with np.load(root / evaluation.sample_path) as arrays:
        contents = {name: arrays[name].copy() for name in arrays.files}
    change(contents)
    buffer = io.BytesIO()
    np.savez(buffer, **contents)
    (root / "tampered.npz").write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    return msgspec.structs.replace(evaluation, sample_path="tampered.npz", sample_sha256=digest)


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
    tampered = tampered_sample(root, evaluation, change)
    with pytest.raises(DataError, match=message):
        verify_serving_model(uri, card, str(root), manifest, tampered)


def test_a_model_that_answers_pixels_otherwise_than_files_is_not_pushed(data, monkeypatch):
    root, manifest, evaluation, models_dir, card = data

    def blank(record):
        decoded = tile_pixels(record)
        return decoded._replace(valid=np.zeros_like(decoded.valid))

    monkeypatch.setattr(verify_pixels, "tile_pixels", blank)
    uri = str(models_dir / "versions" / card.version)
    with pytest.raises(DataError, match=r"its answers about the pixels of tile \S+ differ from those about its files"):
        verify_serving_model(uri, card, str(root), manifest, evaluation)


@pytest.mark.parametrize("other_sizes", [{}, {"64x64": 1}], ids=["one size", "sizes that differ"])
def test_a_model_that_answers_decoded_tiles_otherwise_than_files_is_not_pushed(data, monkeypatch, other_sizes):
    root, manifest, evaluation, models_dir, card = data
    manifest = msgspec.structs.replace(manifest, tile_sizes={**manifest.tile_sizes, **other_sizes})
    uri = str(models_dir / "versions" / card.version)
    exact = verify_pixels.model_pixels
    assert "answered 48 test tiles" in verify_serving_model(uri, card, str(root), manifest, evaluation)

    def blank(record, ratio, size_px):
        decoded = exact(record, ratio, size_px)
        return decoded._replace(rgb=np.zeros_like(decoded.rgb))

    monkeypatch.setattr(verify_pixels, "model_pixels", blank)
    with pytest.raises(DataError, match=r"its signature 'decoded' answers tile \S+ \S+ off, expected at most 1e-05"):
        verify_serving_model(uri, card, str(root), manifest, evaluation)


@pytest.mark.parametrize("name", ["predicted", "as_numbers", "class_names"])
def test_a_signature_that_decides_otherwise_about_decoded_tiles_is_refused_by_name(data, name):
    card = data[-1]
    records = [fake_record(2000 + number) for number in range(4)]
    answer = {
        "probabilities": np.full((4, 3), 0.25, np.float32),
        "predicted": np.zeros((4, 3), np.bool_),
        "class_names": np.array([[text.encode() for text in card.classes]] * 4, object),
    }

    class Asked:
        def ask_pixels(self, function, pixels):
            assert (function, pixels["valid"].shape) == ("decoded", (4, 32, 32, 1))
            numbers = answer["predicted"].astype(np.float32)  # which compare equal, and which no server takes
            other = {"predicted": ~answer["predicted"], "class_names": answer["class_names"][:, ::-1]}
            return answer | ({"predicted": numbers} if name == "as_numbers" else {name: other[name]})

    said = "predicted" if name == "as_numbers" else name
    with pytest.raises(DataError, match=f"its signature 'decoded' gives other {said} than its signature 'masked'"):
        verify_pixels.check_decoded(Asked(), "models/v", records, answer, card, 48)
    assert verify_pixels.check_decoded(Asked(), "models/v", records, answer, card, 64) == 0  # of another size


def test_pixels_are_answered_as_files_are_and_a_training_of_an_earlier_version_knows_none(data, tmp_path):
    _, manifest, _, models_dir, card = data
    model = tf.saved_model.load(str(models_dir / "versions" / card.version))
    record = fake_record(2003)
    decoded = tile_pixels(record)
    arrays = {name: tf.constant(array[np.newaxis]) for name, array in decoded._asdict().items()}
    files = {"rgb": as_png(decoded.rgb), "nir": as_png(decoded.nir), "valid_mask": record.valid_mask}
    of_files = model.signatures["masked"](**{name: tf.constant([content]) for name, content in files.items()})
    of_pixels = model.signatures["pixels"](**arrays)
    assert set(of_pixels) == {"probabilities"}
    np.testing.assert_array_equal(of_pixels["probabilities"], of_files["probabilities"])
    assert "pixels" in card.usage

    receipt = colour_training(tmp_path, manifest, "earlier")
    exported = tf.saved_model.load(str(tmp_path / receipt.model_path))
    earlier = tf.Module()
    earlier.all, earlier.logits_encoded = exported, exported.logits_encoded
    tf.saved_model.save(earlier, str(tmp_path / "earlier"))
    save_serving_model(tmp_path / "earlier", card, tmp_path / "serving")
    assert set(tf.saved_model.load(str(tmp_path / "serving")).signatures) == {"serving_default", "masked"}


def test_the_verification_reads_the_sample_alone_and_only_the_one_that_was_written(data):
    root, manifest, evaluation, models_dir, card = data
    uri = str(models_dir / "versions" / card.version)
    without = msgspec.structs.replace(evaluation, predictions_path="gone.npz")
    assert "answered 48 test tiles" in verify_serving_model(uri, card, str(root), manifest, without)
    other = msgspec.structs.replace(evaluation, sample_sha256="0" * 64)
    with pytest.raises(DataError, match=r"sample.npz' has sha256 \w+…, expected 0000000000000000…; delete it and run"):
        verify_serving_model(uri, card, str(root), manifest, other)


def test_an_evaluation_of_an_earlier_version_is_verified_by_all_its_predictions(data):
    root, manifest, evaluation, models_dir, card = data
    uri = str(models_dir / "versions" / card.version)
    earlier = msgspec.structs.replace(evaluation, sample_path="", sample_sha256="")
    assert "answered 48 test tiles" in verify_serving_model(uri, card, str(root), manifest, earlier)


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


def one_place_off(arrays):
    arrays["candidate_maps"][1, 2, 3, 0] += 1e-2


def another_size_of_maps(arrays):
    arrays["candidate_maps"] = arrays["candidate_maps"][:, :4]


def no_maps(arrays):
    del arrays["candidate_maps"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (one_place_off, "its signature 'dense' gives places of tiles .* off, expected at most 1e-05"),
        (another_size_of_maps, r"its maps are \[4, 8, 8, 3\], expected \[4, 4, 8, 3\]"),
        (no_maps, "the evaluation kept no maps to compare; run the evaluate step again"),
    ],
)
def test_the_verification_compares_places_too(dense, change, message):
    root, manifest, evaluation, models_dir, card = dense
    uri = str(models_dir / "versions" / card.version)
    assert "answered 48 test tiles" in verify_serving_model(uri, card, str(root), manifest, evaluation)
    tampered = tampered_sample(root, evaluation, change)
    with pytest.raises(DataError, match=message):
        verify_serving_model(uri, card, str(root), manifest, tampered)


@pytest.mark.long
@pytest.mark.parametrize("num_bands", [3, 4])
def test_a_dense_head_is_served_with_its_maps_in_one_signature(dense, num_bands, tmp_path):
    _root, manifest, evaluation, _, _ = dense
    manifest = msgspec.structs.replace(manifest, bands=BANDS[:num_bands])
    receipt = colour_training(tmp_path, manifest, dense=True)
    card = model_card(receipt, evaluation, "content")
    save_serving_model(tmp_path / receipt.model_path, card, tmp_path / "served")
    signatures = tf.saved_model.load(str(tmp_path / "served")).signatures
    record = fake_record(2005)
    images = {name: tf.constant([getattr(record, name)] * 2) for name in ("rgb", "nir", "valid_mask")}
    taken = {name: of for name, of in images.items() if name != "nir" or num_bands == 4}
    places, masked = signatures["dense"](**taken), signatures["masked"](**taken)
    assert set(places) == {*masked, "maps"}
    for name, of in masked.items():
        np.testing.assert_array_equal(places[name], of)
    exported = tf.saved_model.load(str(tmp_path / receipt.model_path))
    logits = exported.dense_encoded(*images.values())["maps"]
    np.testing.assert_allclose(places["maps"], tf.sigmoid(logits), atol=1e-6)
    assert "maps float32 [N, h, w, C]" in card.usage["dense"]


def test_a_model_without_judged_maps_has_no_such_signature(data):
    _root, _, _, models_dir, card = data
    served = tf.saved_model.load(str(models_dir / "versions" / card.version))
    assert sorted(served.signatures) == ["decoded", "maps", "masked", "pixels", "serving_default"]
    assert "dense" not in card.usage
    assert card.dense is None


def test_the_thresholds_of_places_are_part_of_the_version(dense):
    root, manifest, evaluation, _, _card = dense
    receipt = colour_training(root, manifest, "t2", dense=True)
    scores = msgspec.structs.replace(evaluation.dense, thresholds=(0.4, *evaluation.dense.thresholds[1:]))
    versions = {
        model_card(receipt, msgspec.structs.replace(evaluation, dense=of), "content").version
        for of in (evaluation.dense, scores, None)
    }
    assert len(versions) == 3
