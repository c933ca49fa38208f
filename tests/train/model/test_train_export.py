import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tile_shards import BANDS, encode, fake_record

from components.records import tfrecords
from components.saved_model.allowed_ops import read_graph
from components.saved_model.graph_digest import graph_digest
from components.train.model.export import Classifier, export
from components.train.model.model import backbone_of, build_model
from components.train.model.stem import WidenedConv2D

RECORDS = [fake_record(number, size_px=64) for number in range(5)]
SIZE_PX, RATIO = 32, 2
MOMENTS = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1)

IN_A_FRESH_PROCESS = """
import sys
sys.modules["keras"] = None  # an import of it fails from here on
import numpy as np
import tensorflow as tf
data = np.load(sys.argv[2], allow_pickle=True)
model = tf.saved_model.load(sys.argv[1])
encoded = model.predict_encoded(*(tf.constant(data[name].tolist()) for name in ("rgb", "nir", "valid_mask")))
batch = model.predict_batch(tf.constant(data["image"]), tf.constant(data["valid"]))
np.savez(sys.argv[3], encoded=encoded, batch=batch)
"""


def decode_all(bands: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    tiles = [tfrecords.decode_image(r.rgb, r.nir, r.valid_mask, bands, SIZE_PX, RATIO) for r in RECORDS]
    return np.stack([image for image, _ in tiles]), np.stack([valid for _, valid in tiles])


def encoded(field: str) -> tf.Tensor:
    return tf.constant([getattr(record, field) for record in RECORDS])


@pytest.fixture(scope="module")
def model():
    return build_model("small", SIZE_PX, 3, (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "export"
    export(Classifier(model, BANDS, SIZE_PX, RATIO, single_label=False), str(folder), is_chief=True)
    return folder


def test_a_fresh_process_without_keras_gives_the_same_answers(model, folder: Path, tmp_path: Path) -> None:
    image, valid = decode_all(BANDS)
    inputs = {name: np.array([getattr(r, name) for r in RECORDS], object) for name in ("rgb", "nir", "valid_mask")}
    np.savez(tmp_path / "in.npz", image=image, valid=valid, **inputs)
    command = [sys.executable, "-c", IN_A_FRESH_PROCESS, folder, tmp_path / "in.npz", tmp_path / "out.npz"]
    subprocess.run([str(part) for part in command], check=True, cwd=tmp_path)
    answers = np.load(tmp_path / "out.npz")
    expected = tf.sigmoid(model([image, valid], training=False)).numpy()
    assert expected.shape == (5, 3)
    np.testing.assert_allclose(answers["batch"], expected, atol=1e-6)
    np.testing.assert_array_equal(answers["encoded"], answers["batch"])


def test_an_empty_mask_means_that_every_pixel_counts(folder: Path) -> None:
    model = tf.saved_model.load(str(folder))
    white = tf.constant([encode(np.full((64, 64), 255, np.uint8), "PNG")] * 5)
    empty = tf.constant([b""] * 5)
    with_white = model.predict_encoded(encoded("rgb"), encoded("nir"), white)
    np.testing.assert_array_equal(model.predict_encoded(encoded("rgb"), encoded("nir"), empty), with_white)
    # The fixture's masks do leave something out, or this would prove nothing.
    assert not np.allclose(model.predict_encoded(encoded("rgb"), encoded("nir"), encoded("valid_mask")), with_white)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 64), (96, 96), (40, 40), (70, 50), (20, 20)])
def test_pixels_have_exactly_the_answers_of_a_png_of_them(folder: Path, height: int, width: int) -> None:
    model, rng = tf.saved_model.load(str(folder)), np.random.default_rng(height)
    bands = rng.integers(0, 256, (3, height, width, 4), np.uint8)
    mask = (rng.random((3, height, width)) > 0.3).astype(np.uint8)
    png = {
        "rgb": [encode(each[..., :3], "PNG") for each in bands],
        "nir": [encode(each[..., 3], "PNG") for each in bands],
        "valid_mask": [encode(each * np.uint8(255), "PNG") for each in mask],
    }
    of_png = model.logits_encoded(*(tf.constant(png[name]) for name in png))
    for counts in (mask, mask * np.uint8(7)):  # 0 does not count, whatever else does
        found = model.pixels(bands[..., :3], bands[..., 3:], counts[..., np.newaxis])
        assert set(found) == {"logits"}
        np.testing.assert_array_equal(found["logits"], of_png)


def test_nir_is_not_looked_at_for_rgb_data_and_softmax_adds_up_to_one(tmp_path: Path) -> None:
    rgb_model = build_model("small", SIZE_PX, 3, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    classifier = Classifier(rgb_model, BANDS[:3], SIZE_PX, RATIO, single_label=True)
    export(classifier, str(tmp_path / "export"), is_chief=True)
    model = tf.saved_model.load(str(tmp_path / "export"))
    answers = model.predict_encoded(encoded("rgb"), tf.constant([b"no image"] * 5), encoded("valid_mask"))
    np.testing.assert_allclose(tf.reduce_sum(answers, axis=1), np.ones(5), atol=1e-6)
    np.testing.assert_array_equal(answers, model.predict_batch(*decode_all(BANDS[:3])))


@pytest.mark.parametrize("single_label", [False, True])
def test_probabilities_are_the_sigmoid_or_the_softmax_of_the_logits(model, single_label: bool, tmp_path: Path) -> None:
    export(Classifier(model, BANDS, SIZE_PX, RATIO, single_label), str(tmp_path / "export"), is_chief=True)
    saved = tf.saved_model.load(str(tmp_path / "export"))
    images = encoded("rgb"), encoded("nir"), encoded("valid_mask")
    logits = saved.logits_encoded(*images)
    assert logits.dtype == tf.float32
    assert logits.shape == (5, 3)
    expected = tf.nn.softmax(logits) if single_label else tf.sigmoid(logits)
    np.testing.assert_allclose(saved.predict_encoded(*images), expected, atol=1e-6)


@pytest.mark.long
def test_it_can_be_wrapped_into_another_model_and_saved_again(folder: Path, tmp_path: Path) -> None:
    class Serving(tf.Module):
        def __init__(self) -> None:
            self.classifier = tf.saved_model.load(str(folder))
            self.thresholds = tf.constant([0.3, 0.5, 0.7])

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 3)
        def serve(self, rgb, nir, valid_mask):
            probabilities = self.classifier.predict_encoded(rgb, nir, valid_mask)
            return {"probabilities": probabilities, "predicted": probabilities >= self.thresholds}

    serving = Serving()
    tf.saved_model.save(serving, str(tmp_path / "serving"), signatures={"serving_default": serving.serve})
    first = tf.saved_model.load(str(folder))
    del serving
    again = tf.saved_model.load(str(tmp_path / "serving")).signatures["serving_default"]
    answers = again(rgb=encoded("rgb"), nir=encoded("nir"), valid_mask=encoded("valid_mask"))
    expected = first.predict_encoded(encoded("rgb"), encoded("nir"), encoded("valid_mask"))
    np.testing.assert_array_equal(answers["probabilities"], expected)


def test_only_the_chief_leaves_an_export(model, tmp_path: Path) -> None:
    export(Classifier(model, BANDS, SIZE_PX, RATIO, False), str(tmp_path / "export"), is_chief=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.parametrize("backbone", ["small", "mobilenet"])
def test_preprocessing_and_a_widened_stem_are_in_the_export(backbone: str, tmp_path: Path) -> None:
    model = build_model(backbone, SIZE_PX, 3, *MOMENTS, ndvi=True, is_pretrained=True)
    stem = next(layer for layer in backbone_of(model).layers if isinstance(layer, WidenedConv2D))
    stem.new_bands.assign(np.random.default_rng(0).normal(size=stem.new_bands.shape))
    export(Classifier(model, BANDS, SIZE_PX, RATIO, single_label=False), str(tmp_path / "export"), is_chief=True)
    image, valid = decode_all(BANDS)
    expected = tf.sigmoid(model([image, valid], training=False)).numpy()
    saved = tf.saved_model.load(str(tmp_path / "export"))
    np.testing.assert_allclose(saved.predict_batch(image, valid), expected, atol=1e-5)
    image[..., 3] = 255 - image[..., 3]
    assert not np.allclose(model([image, valid], training=False), expected)


@pytest.mark.long
@pytest.mark.parametrize("single_label", [False, True])
@pytest.mark.parametrize("num_bands", [3, 4])
@pytest.mark.parametrize("ratio", [1, 2])
def test_whatever_is_exported_may_be_loaded(single_label: bool, num_bands: int, ratio: int, tmp_path: Path) -> None:
    mean, std = (each[:num_bands] for each in MOMENTS)
    model = build_model("small", SIZE_PX, 3, mean, std, ndvi=num_bands == 4)
    classifier = Classifier(model, BANDS[:num_bands], SIZE_PX, ratio, single_label)
    export(classifier, str(tmp_path / "export"), is_chief=True)
    read_graph(tmp_path / "export")


@pytest.mark.long
def test_equal_models_have_equal_graphs_whatever_their_process_did_before(tmp_path: Path) -> None:
    digests = []
    for number, ratio in enumerate((2, 2, 1)):
        keras.utils.set_random_seed(1)
        model = build_model("small", SIZE_PX, 3, *MOMENTS)
        model([*decode_all(BANDS)], training=True)
        folder = tmp_path / str(number)
        export(Classifier(model, BANDS, SIZE_PX, ratio, single_label=False), str(folder), is_chief=True)
        digests.append(graph_digest(read_graph(folder)))
    assert (tmp_path / "0/saved_model.pb").read_bytes() != (tmp_path / "1/saved_model.pb").read_bytes()
    assert digests[0] == digests[1]
    assert digests[0] != digests[2], "another way to decode is another graph"
