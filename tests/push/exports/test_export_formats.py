"""Real networks in every format: each answers as the SavedModel does, and none has lost its weights."""

import importlib.util
import json

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from model_cards import card_of

from components.contracts import Calibration, DenseScores, ModelCard
from components.errors import DataError
from components.push.exports.converters import convert
from components.push.exports.kinds import KINDS
from components.push.exports.places import place_probabilities, shares_of
from components.push.exports.portable import weight_bytes
from components.push.exports.trying import STRIDE, open_session
from components.train.model.export import Classifier, export
from components.train.model.model import build_model

SIZE_PX, BANDS, CLASSES = 64, ("red", "green", "blue", "nir"), ("water", "endrow", "weed_cluster")
SLOPES, OFFSETS, PLACES = (0.5, 1.25, 3.0), (-1.0, 0.25, 2.0), (0.2, 0.5, 0.7)
HEADS = ("tile", "cam", "lraspp")


def card_for(head: str, label_mode: str = "multi_label") -> ModelCard:
    dense = DenseScores(
        mean_iou=0.5, interval=(0.4, 0.6), background_iou=0.5, class_iou={}, thresholds=PLACES, num_pixels=1
    )
    return msgspec.structs.replace(
        card_of("v1"),
        classes=CLASSES,
        bands=BANDS,
        image_size_px=SIZE_PX,
        thresholds=(0.5,) * 3,
        calibration=Calibration(slopes=SLOPES, offsets=OFFSETS),
        label_mode=label_mode,
        dense=None if head == "tile" else dense,
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exports of networks with random weights, by head."""
    root = tmp_path_factory.mktemp("exported")
    for head in HEADS:
        tf.keras.utils.set_random_seed(1)
        model = build_model("small", SIZE_PX, len(CLASSES), [0.4] * 4, [0.2] * 4, ndvi=True, head=head)
        export(Classifier(model, BANDS, SIZE_PX, 1, single_label=False), str(root / head), is_chief=True)
    return root


def tiles(count=3):
    """Images, and masks of which one leaves out a corner, and the last everything."""
    generator = np.random.default_rng(7)
    image = generator.integers(0, 256, (count, SIZE_PX, SIZE_PX, len(BANDS)), np.uint8)
    valid = np.ones((count, SIZE_PX, SIZE_PX, 1), np.uint8)
    valid[1, :20, :20] = 0
    valid[-1] = 0
    return image, valid


def expected_of(model, image, valid, label_mode="multi_label"):
    found = {name: values.numpy() for name, values in model.answers_batch(image, valid).items()}
    scaled = found["logits"] * np.float32(SLOPES) + np.float32(OFFSETS)
    if label_mode == "single_label":
        return tf.nn.softmax(scaled).numpy(), found.get("maps")
    return tf.sigmoid(scaled).numpy(), found.get("maps")


def session_of(folder, head, name, tmp_path, label_mode="multi_label"):
    kind = KINDS[name]
    if any(importlib.util.find_spec(module) is None for module in kind.modules):
        pytest.skip("the extra `onnx` is not installed")
    file = tmp_path / "converted"
    convert(folder / head, card_for(head, label_mode), kind, file)
    assert file.stat().st_size >= weight_bytes(folder / head, kind)
    return file, open_session(file, kind)


@pytest.mark.long
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["onnx", "litert", "litert-fp16"])
def test_a_format_gives_the_calibrated_probabilities_and_the_maps(exported, tmp_path, name, head):
    _, answer = session_of(exported, head, name, tmp_path)
    image, valid = tiles()
    probabilities, maps = expected_of(tf.saved_model.load(str(exported / head)), image, valid)
    for rows in (slice(0, 1), slice(0, 3)):
        found = answer(image[rows], valid[rows])
        assert set(found) == ({"probabilities"} if head == "tile" else {"probabilities", "maps"})
        np.testing.assert_allclose(found["probabilities"], probabilities[rows], rtol=0, atol=KINDS[name].tolerance)
        if head != "tile":
            expected = place_probabilities(maps[rows])
            np.testing.assert_allclose(found["maps"], expected, rtol=0, atol=KINDS[name].tolerance)


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_one_class_a_tile_is_a_softmax(exported, tmp_path, name):
    _, answer = session_of(exported, "tile", name, tmp_path, "single_label")
    image, valid = tiles()
    expected, _ = expected_of(tf.saved_model.load(str(exported / "tile")), image, valid, "single_label")
    np.testing.assert_allclose(answer(image, valid)["probabilities"], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("head", ["cam", "lraspp"])
def test_the_file_for_qgis_shows_the_class_that_is_the_furthest_above_its_threshold(exported, tmp_path, head):
    file, answer = session_of(exported, head, "qgis", tmp_path)
    image, _ = tiles()
    everything = np.ones((3, SIZE_PX, SIZE_PX, 1), np.uint8)
    _, maps = expected_of(tf.saved_model.load(str(exported / head)), image, everything)
    planes = answer(image, everything)["classes"]
    assert planes.shape == (3, 1 + len(CLASSES), SIZE_PX // STRIDE, SIZE_PX // STRIDE)
    np.testing.assert_allclose(planes, shares_of(maps, PLACES, SIZE_PX)[..., ::STRIDE, ::STRIDE], rtol=0, atol=1e-5)
    scaled = tf.image.resize(maps, [SIZE_PX, SIZE_PX]).numpy() - np.log(np.divide(PLACES, np.subtract(1, PLACES)))
    shown = np.where(scaled.max(axis=-1) > 0, scaled.argmax(axis=-1) + 1, 0)[:, ::STRIDE, ::STRIDE]
    assert (planes.argmax(axis=1) == shown).mean() > 0.999  # but for ties
    import onnxruntime

    opened = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    # As the plugin checks it: one input, [batch, bands, side, side], and one output with a plane for each class.
    assert [each.shape[1:] for each in opened.get_inputs()] == [[4, SIZE_PX, SIZE_PX]]
    assert [each.shape[1:] for each in opened.get_outputs()] == [[4, SIZE_PX, SIZE_PX]]
    known = opened.get_modelmeta().custom_metadata_map
    assert json.loads(known["class_names"])["0"] == "background"
    assert json.loads(known["model_type"]) == "Segmentor"


def test_bilinear_scaling_is_that_of_tensorflow():
    maps = np.random.default_rng(3).normal(size=(2, 5, 7, 3)).astype(np.float32)
    scaled = tf.image.resize(maps, [40, 40]).numpy() - np.log(np.divide(PLACES, np.subtract(1, PLACES)))
    expected = tf.nn.softmax(np.concatenate([np.zeros_like(scaled[..., :1]), scaled], -1)).numpy().transpose(0, 3, 1, 2)
    np.testing.assert_allclose(shares_of(maps, PLACES, 40), expected, rtol=0, atol=1e-5)


def test_only_a_dense_head_has_a_file_for_qgis(exported, tmp_path):
    with pytest.raises(DataError, match="it shows maps, and this model was scored without a dense head"):
        convert(exported / "tile", card_for("tile"), KINDS["qgis"], tmp_path / "file")


def test_a_training_of_an_earlier_version_has_no_other_format(tmp_path):
    module = tf.Module()
    module.predict_batch = tf.function(lambda image: image, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "old"))
    with pytest.raises(DataError, match="has no function 'answers_batch': an earlier version exported it; train again"):
        convert(tmp_path / "old", card_for("tile"), KINDS["litert"], tmp_path / "file")


def test_kernels_are_the_weights_that_no_file_may_be_smaller_than(exported):
    reader = tf.train.load_checkpoint(str(exported / "tile" / "variables" / "variables"))
    shapes = [shape for shape in reader.get_variable_to_shape_map().values() if len(shape) > 1]
    num_numbers = sum(int(np.prod(shape)) for shape in shapes)
    assert weight_bytes(exported / "tile", KINDS["litert"]) == 4 * num_numbers
    assert weight_bytes(exported / "tile", KINDS["litert-fp16"]) == 2 * num_numbers
