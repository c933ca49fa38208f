"""The maps explain the answer itself: their mean over the places of a tile, plus the bias, is the logit."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from pretrained_backbone import random_tiles
from tile_shards import BANDS, fake_record

from components.saved_model.allowed_ops import read_graph
from components.train.model.activation_map import activation_maps
from components.train.model.export import Classifier, export
from components.train.model.model import backbone_of, build_model
from components.train.settings.backbones import BACKBONES

MOMENTS = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.3, 0.1)
# The smaller of the others, too; those that take half a minute or more to build are of the same families.
QUICK = ("small", "mobilenet", "mobilenet_v2", "mobilenet_v3_small")


def random_model(name: str, size_px: int, **settings: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = build_model(name, size_px, 3, *MOMENTS, **settings)
    kernel, bias = model.get_layer("logits").get_weights()
    rng = np.random.default_rng(1)
    model.get_layer("logits").set_weights([rng.normal(size=kernel.shape), rng.normal(size=bias.shape)])
    for layer in backbone_of(model).layers:  # with the first ones, a deep untrained network says 0 or inf
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model([*random_tiles(size_px, 4)], training=True)
    return model


def assert_maps_add_up(model: keras.Model, size_px: int) -> np.ndarray:
    image, valid = random_tiles(size_px, 4, seed=2)
    maps = activation_maps(model, backbone_of(model))(image, valid).numpy()
    logits = model([image, valid], training=False).numpy()
    _, bias = model.get_layer("logits").get_weights()
    assert maps.dtype == np.float32
    assert np.ptp(logits, axis=0).min() > 1e-3, "answers that are always the same prove nothing"
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias, logits, rtol=1e-4, atol=1e-4)
    return maps


@pytest.mark.parametrize("name", QUICK)
def test_the_mean_of_a_map_and_the_bias_are_the_logit(name: str) -> None:
    size_px = 96
    maps = assert_maps_add_up(random_model(name, size_px), size_px)
    assert maps.shape == (4, 3, 3, 3)
    assert np.ptp(maps, axis=(1, 2)).min() > 0, "each place says the same"


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in QUICK])
def test_so_they_are_whatever_the_backbone(name: str) -> None:
    size_px = max(64, BACKBONES[name].smallest_px)
    assert_maps_add_up(random_model(name, size_px), size_px)


def test_a_widened_stem_with_ndvi_is_explained_too() -> None:
    assert_maps_add_up(random_model("small", 64, ndvi=True, is_pretrained=True), 64)


def test_what_the_strongest_place_adds_stands_at_that_place() -> None:
    model = random_model("small", 64)
    kernel, bias = model.get_layer("logits").get_weights()
    kernel[: len(kernel) // 2] = 0.0  # what follows from the mean
    model.get_layer("logits").set_weights([kernel, bias])
    image, valid = random_tiles(64, 4, seed=2)
    backbone = backbone_of(model)
    maps = activation_maps(model, backbone)(image, valid).numpy()  # [4, 2, 2, 3]
    pooling = next(each for each in backbone.layers if isinstance(each, keras.layers.GlobalMaxPooling2D))
    pixels = model.layers[2](image, valid)
    features = keras.Model(backbone.inputs, pooling.input)(pixels, training=False).numpy().reshape(4, 4, -1)
    expected = np.zeros((4, 4, 3))
    for tile, channel in np.ndindex(4, features.shape[-1]):
        values = features[tile, :, channel]
        places = np.flatnonzero(values == values.max())
        expected[tile, places] += 4 * values.max() * kernel[len(kernel) // 2 + channel] / len(places)
    np.testing.assert_allclose(maps.reshape(4, 4, 3), expected, atol=1e-3)


def test_an_export_maps_image_files_as_it_answers_them(tmp_path: Path) -> None:
    model = random_model("small", 64)
    export(Classifier(model, BANDS, 64, 1, single_label=False), str(tmp_path / "export"), is_chief=True)
    read_graph(tmp_path / "export")
    saved = tf.saved_model.load(str(tmp_path / "export"))
    records = [fake_record(number, size_px=64) for number in range(3)]
    images = [tf.constant([getattr(each, name) for each in records]) for name in ("rgb", "nir", "valid_mask")]
    maps = saved.maps_encoded(*images).numpy()
    assert maps.shape == (3, 2, 2, 3)
    _, bias = model.get_layer("logits").get_weights()
    answers = saved.predict_encoded(*images).numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-maps.mean(axis=(1, 2)) - bias)), answers, atol=1e-5)


def test_a_backbone_that_ends_otherwise_is_refused() -> None:
    pixels = keras.Input((8, 8, 4))
    odd = keras.Model(pixels, keras.layers.Flatten()(pixels), name="odd")
    with pytest.raises(ValueError, match="backbone odd must end in a mean or maximum of one feature map, got Flatten"):
        activation_maps(build_model("small", 32, 3, *MOMENTS), odd)
