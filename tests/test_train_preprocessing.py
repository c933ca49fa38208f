import numpy as np
import pytest

from components.train.preprocessing import CAFFE, STANDARDIZED, SYMMETRIC, Preprocess

MEAN, STD = (0.4, 0.5, 0.6, 0.2), (0.1, 0.2, 0.25, 0.1)  # red, green, blue, NIR


def preprocess(name: str, pixel: list[int], valid: int = 1) -> list[float]:
    image = np.array(pixel, np.uint8).reshape(1, 1, 1, 4)
    layer = Preprocess(name, MEAN, STD)
    return np.asarray(layer(image, np.full((1, 1, 1, 1), valid, np.uint8))).ravel().tolist()


@pytest.mark.parametrize(
    ("name", "pixel", "expected"),
    [
        (STANDARDIZED, [102, 255, 0, 51], [0.0, 2.5, -2.4, 0.0]),
        (SYMMETRIC, [0, 255, 51, 204], [-1.0, 1.0, -0.6, 0.6]),
        # blue first; NIR, of which ImageNet knows nothing, less its own mean of 51
        (CAFFE, [124, 117, 104, 61], [104 - 103.939, 117 - 116.779, 124 - 123.68, 10.0]),
    ],
)
def test_pixels_come_in_the_range_of_the_backbone(name: str, pixel: list[int], expected: list[float]) -> None:
    np.testing.assert_allclose(preprocess(name, pixel), expected, atol=1e-4)


@pytest.mark.parametrize("name", [STANDARDIZED, SYMMETRIC, CAFFE])
def test_an_invalid_pixel_becomes_the_band_mean_whatever_it_was(name: str) -> None:
    blank = preprocess(name, [255, 0, 7, 9], valid=0)
    np.testing.assert_allclose(blank, preprocess(name, [0, 255, 99, 1], valid=0))
    np.testing.assert_allclose(blank, preprocess(name, [102, 128, 153, 51]), atol=1.0 if name == CAFFE else 0.01)


def test_a_band_without_variation_is_not_divided_by_zero() -> None:
    image = np.zeros((1, 1, 1, 3), np.uint8)
    output = Preprocess(STANDARDIZED, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))(image, np.ones((1, 1, 1, 1), np.uint8))
    assert np.isfinite(np.asarray(output)).all()


def test_an_unknown_range_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="expected one of standardized, symmetric, caffe"):
        Preprocess("unit", MEAN, STD)
