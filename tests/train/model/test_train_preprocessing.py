import keras
import numpy as np
import pytest

from components.train.model.preprocessing import Preprocess
from components.train.settings.backbones import BACKBONES, CAFFE, CENTRED, IMAGENET, STANDARDIZED, SYMMETRIC

MEAN, STD = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.25, 0.1)  # red, green, blue, NIR
RANGES = [STANDARDIZED, SYMMETRIC, CENTRED, IMAGENET, CAFFE]
UNIT_OF_NIR = {STANDARDIZED: 25.5, SYMMETRIC: 127.5, CENTRED: 128.0, IMAGENET: 255 * 0.226, CAFFE: 1.0}


def preprocess(name: str, pixel: list[int], valid: int = 1, ndvi: bool = False) -> list[float]:
    image = np.array(pixel, np.uint8).reshape(1, 1, 1, 4)
    layer = Preprocess(name, MEAN, STD, ndvi)
    return np.asarray(layer(image, np.full((1, 1, 1, 1), valid, np.uint8))).ravel().tolist()


@pytest.mark.parametrize(
    ("name", "pixel", "expected"),
    [
        (STANDARDIZED, [102, 255, 0, 51], [0.0, 2.5, -2.4, 0.0]),
        (SYMMETRIC, [0, 255, 51, 51], [-1.0, 1.0, -0.6, 0.0]),
        (CENTRED, [0, 255, 64, 51 + 64], [-1.0, 127 / 128, -0.5, 0.5]),
        # blue first; NIR, of which ImageNet knows nothing, less its own mean of 51
        (CAFFE, [124, 117, 104, 61], [104 - 103.939, 117 - 116.779, 124 - 123.68, 10.0]),
    ],
)
def test_pixels_come_in_the_range_of_the_backbone(name: str, pixel: list[int], expected: list[float]) -> None:
    np.testing.assert_allclose(preprocess(name, pixel), expected, atol=1e-4)


def scaling_layers(builder: str):
    """Returns what keras.applications put before the stem, as a function of pixels."""
    with keras.StatelessScope(initialize_variables=False):  # what comes before the stem has no weights
        network = getattr(keras.applications, builder)(include_top=False, weights=None, input_shape=(32, 32, 3))
    stem = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    return keras.Model(network.input, stem.input)


@pytest.mark.parametrize(
    ("backbone", "published"),
    [
        ("mobilenet", keras.applications.mobilenet.preprocess_input),
        ("mobilenet_v2", keras.applications.mobilenet_v2.preprocess_input),
        ("mobilenet_v3_small", "MobileNetV3Small"),
        ("mobilenet_v3_large", "MobileNetV3Large"),
        ("efficientnet_v2_b0", "EfficientNetV2B0"),
        ("resnet50", keras.applications.resnet.preprocess_input),
        ("nasnet_large", keras.applications.nasnet.preprocess_input),
        ("efficientnet_v2_s", "EfficientNetV2S"),
    ],
)
def test_rgb_comes_as_keras_applications_prepare_it(backbone: str, published) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    image[0, 0, 0], image[0, 0, 1] = 0, 255
    prepare = scaling_layers(published) if isinstance(published, str) else published
    expected = np.asarray(prepare(image.astype(np.float32)))
    layer = Preprocess(BACKBONES[backbone].pixel_range, MEAN[:3], STD[:3])
    mine = np.asarray(layer(image, np.ones((1, 32, 32, 1), np.uint8)))
    np.testing.assert_allclose(mine, expected, atol=1e-6)
    assert mine.min() < -0.99
    assert mine.max() > 0.99


def test_backbones_of_one_family_share_their_range() -> None:
    """The builders of keras.applications do; comparing one of each family is enough."""
    ranges = {name: backbone.pixel_range for name, backbone in BACKBONES.items()}
    assert {ranges[f"efficientnet_v2_{variant}"] for variant in ("b0", "b1", "b2", "b3")} == {IMAGENET}
    assert {ranges[f"efficientnet_v2_{variant}"] for variant in ("s", "m", "l")} == {CENTRED}


@pytest.mark.parametrize("name", RANGES)
def test_an_invalid_pixel_becomes_the_band_mean_whatever_it_was(name: str) -> None:
    blank = preprocess(name, [255, 0, 7, 9], valid=0, ndvi=True)
    np.testing.assert_allclose(blank, preprocess(name, [0, 255, 99, 1], valid=0, ndvi=True))
    np.testing.assert_allclose(blank[:4], preprocess(name, [102, 128, 153, 51]), atol=1.0 if name == CAFFE else 0.01)
    np.testing.assert_allclose(blank[3:], [0.0, 0.0], atol=1e-6)  # nothing, to kernels that ImageNet did not make


@pytest.mark.parametrize("name", RANGES)
def test_ndvi_is_of_nir_and_red_whatever_the_order_of_the_bands_and_in_the_unit_of_nir(name: str) -> None:
    unit, blank = 127.5 / UNIT_OF_NIR[name], (51 - 102) / (51 + 102)
    for pixel, expected in [
        ([50, 7, 9, 150], 0.5),
        ([150, 7, 9, 50], -0.5),
        ([0, 200, 200, 1], 1.0),
        ([0, 9, 9, 0], 0.0),
    ]:
        *bands, ndvi = preprocess(name, pixel, ndvi=True)
        assert bands == preprocess(name, pixel)
        assert ndvi == pytest.approx((expected - blank) * unit, rel=1e-3, abs=1e-4)


def test_a_band_without_variation_is_not_divided_by_zero() -> None:
    image = np.zeros((1, 1, 1, 3), np.uint8)
    output = Preprocess(STANDARDIZED, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))(image, np.ones((1, 1, 1, 1), np.uint8))
    assert np.isfinite(np.asarray(output)).all()


def test_an_unknown_range_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="expected one of standardized, symmetric, centred, imagenet, caffe"):
        Preprocess("unit", MEAN, STD)
