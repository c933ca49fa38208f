"""The class of each pixel, against maps that TensorFlow scales to the whole tile."""

import time

import numpy as np
import pytest
import tensorflow as tf

from components.scoring.dense.pixel_classes import log_odds, pixel_classes, values_at

SIZES = [(16, 16, 512, 512), (28, 28, 512, 512), (3, 5, 47, 31), (1, 1, 9, 9), (7, 4, 7, 4), (8, 8, 5, 3)]


def scaled(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    return tf.image.resize(maps, [height, width]).numpy()


def maps_of(places_high: int, places_wide: int, seed: int, mean: float, num_classes: int = 5) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(mean, 2, (places_high, places_wide, num_classes)).astype(np.float32)


@pytest.mark.parametrize("mean", [-3.0, 0.0, 3.0])
@pytest.mark.parametrize("size", SIZES)
def test_a_pixel_shows_the_class_that_is_furthest_above_its_threshold(size, mean):
    high, wide, height, width = size
    thresholds = (0.5, 0.3, 0.9, 0.05, 0.5)
    maps = maps_of(high, wide, 3, mean)
    margins = scaled(maps - log_odds(thresholds), height, width)
    ahead = np.concatenate([np.zeros((height, width, 1), np.float32), margins], axis=-1)
    found = pixel_classes(maps, thresholds, height, width)
    assert found.dtype == np.uint8
    first, second = np.sort(ahead, axis=-1)[..., :-3:-1].transpose(2, 0, 1)
    is_sure = first - second > 1e-4  # where rounding decides nothing
    assert is_sure.mean() > 0.9
    assert (found == ahead.argmax(axis=-1))[is_sure].all()


def test_of_classes_that_are_equally_far_the_first_is_shown():
    assert (pixel_classes(np.ones((2, 2, 3), np.float32), (0.5,) * 3, 8, 8) == 1).all()


@pytest.mark.parametrize(
    ("logit", "threshold", "shown"), [(0.0, 0.5, 0), (1e-4, 0.5, 1), (-1.0, 0.2, 1), (9.0, 1.0, 0), (-50.0, 0.0, 1)]
)
def test_a_place_shows_a_class_above_its_threshold_and_not_at_it(logit, threshold, shown):
    assert (pixel_classes(np.full((2, 2, 1), logit, np.float32), (threshold,), 6, 6) == shown).all()


@pytest.mark.parametrize("size", SIZES)
def test_values_at_some_pixels_are_those_of_the_scaled_maps(size):
    high, wide, height, width = size
    maps, generator = maps_of(high, wide, 5, 0.0), np.random.default_rng(1)
    rows, columns = generator.integers(height, size=200), generator.integers(width, size=200)
    found = values_at(maps, rows, columns, height, width)
    np.testing.assert_allclose(found, scaled(maps, height, width)[rows, columns], atol=1e-4)


@pytest.mark.parametrize("logit", [-60.0, -15.0, -1.0, 0.0, 2.0, 8.0])
def test_log_odds_of_a_probability_are_its_logit(logit):
    assert log_odds([1 / (1 + np.exp(-logit))])[0] == pytest.approx(logit, abs=1e-5)


def test_log_odds_are_finite():
    assert np.isfinite(log_odds([0.0, 1.0, 1e-45])).all()


def test_a_tile_of_512_px_with_two_classes_takes_a_millisecond_or_two():
    maps = np.full((32, 32, 9), -5, np.float32)
    maps[4:20, 6:25, 2], maps[12:28, 3:16, 7] = 3, 4
    times = []
    for _ in range(20):
        start = time.process_time()
        pixel_classes(maps, (0.5,) * 9, 512, 512)
        times.append(time.process_time() - start)
    assert min(times) < 0.004  # 0.6 ms on a quiet machine
