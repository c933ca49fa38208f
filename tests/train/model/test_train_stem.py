from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from pretrained_backbone import MEAN, STD, random_tiles, save_weights

from components.train.model.model import backbone_of, build_model
from components.train.model.weight_file import load_weights
from components.train.settings.backbones import BACKBONES


def widened(name: str, path: Path, ndvi: bool):
    model = build_model(name, BACKBONES[name].smallest_px, 3, MEAN, STD, ndvi=ndvi, is_pretrained=True)
    load_weights(backbone_of(model), name, path, path.name)
    return model


def features(model, image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    pixels = model.get_layer("preprocess")(image, valid)
    return backbone_of(model)(pixels, training=False).numpy()


@pytest.mark.parametrize(
    ("name", "ndvi"),
    [
        ("small", False),
        ("mobilenet", True),
        pytest.param("mobilenet_v2", False, marks=pytest.mark.slow),
        pytest.param("mobilenet_v3_small", True, marks=pytest.mark.slow),
        pytest.param("efficientnet_v2_b0", False, marks=pytest.mark.slow),
        pytest.param("resnet50", True, marks=pytest.mark.slow),
        pytest.param("nasnet_large", False, marks=pytest.mark.long),
    ],
)
def test_features_are_those_of_the_published_backbone_whatever_nir_shows(name: str, ndvi: bool, tmp_path: Path) -> None:
    published = save_weights(name, tmp_path / "rgb.weights.h5")
    model = widened(name, tmp_path / "rgb.weights.h5", ndvi)
    image, valid = random_tiles(BACKBONES[name].smallest_px, 4)
    expected = features(published, image[..., :3], valid)
    size = np.abs(expected).max()  # of untrained layers, as small as 1e-10
    assert np.abs(expected - expected[0]).max() > 1e-3 * size, "features that are always the same prove nothing"
    # Whatever NIR shows: a random one, and none at all.
    np.testing.assert_allclose(features(model, image, valid), expected, atol=1e-5 * size)
    image[..., 3] = round(MEAN[3] * 255)
    np.testing.assert_allclose(features(model, image, valid), expected, atol=1e-5 * size)


@pytest.mark.parametrize(("name", "ndvi"), [("small", True), ("mobilenet", False)])
def test_new_bands_learn_from_the_first_step_on(name: str, ndvi: bool, tmp_path: Path) -> None:
    save_weights(name, tmp_path / "rgb.weights.h5")
    model = widened(name, tmp_path / "rgb.weights.h5", ndvi)
    stem = backbone_of(model).get_layer(BACKBONES[name].stem)
    assert stem.new_bands.shape[2] == 1 + ndvi
    image, valid = random_tiles(BACKBONES[name].smallest_px, 4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model([image, valid], training=False)[:, 0])
    gradient = tape.gradient(loss, stem.new_bands.value).numpy()
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=(0, 1, 3)) > 0).all(), "a new band would never be looked at"


def test_new_kernels_make_a_difference_once_they_are_not_zero(tmp_path: Path) -> None:
    save_weights("small", tmp_path / "rgb.weights.h5")
    model = widened("small", tmp_path / "rgb.weights.h5", ndvi=True)
    image, valid = random_tiles(32, 4)
    before = features(model, image, valid)
    stem = backbone_of(model).get_layer(BACKBONES["small"].stem)
    stem.new_bands.assign(keras.ops.ones_like(stem.new_bands))
    assert np.abs(features(model, image, valid) - before).max() > 0.1
