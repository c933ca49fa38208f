"""The loss by pixel, against the definition of it, pixel by pixel."""

import math

import numpy as np
import pytest
import tensorflow as tf

from components.train.input.cover import cover_of_planes
from components.train.settings.config import TrainConfig
from components.train.step.dense_loss import DenseLoss

SIZE, CELLS, CLASSES, TILES = 8, (2, 4), 3, 5
RNG = np.random.default_rng(0)
VALID = RNG.integers(0, 2, (TILES, SIZE, SIZE), np.uint8)
VALID[1] = 1
VALID[2, :, :5] = 0  # whole cells without a valid pixel
VALID[3] = 0  # a tile without any
MASKS = RNG.integers(0, 2, (TILES, CLASSES, SIZE, SIZE), np.uint8) * VALID[:, np.newaxis]
MAPS = RNG.normal(size=(TILES, *CELLS, CLASSES)).astype(np.float32) * 3
WEIGHTS = np.array([1.0, 2.0, 0.5], np.float32)


def cover_of(valid: np.ndarray, masks: np.ndarray) -> tf.Tensor:
    return cover_of_planes(tf.constant(np.concatenate([valid[:, np.newaxis], masks], axis=1)))


def slow_loss(valid, masks, maps, *, gamma: float = 0.0, alpha: float | None = None, smoothing: float = 0.0) -> list:
    """Returns the losses of tiles: the mean over the valid pixels, each with the logit of its cell."""
    losses = []
    for tile in range(len(valid)):
        of_pixels = []
        for y, x in zip(*np.nonzero(valid[tile]), strict=True):
            logits = maps[tile, y * CELLS[0] // SIZE, x * CELLS[1] // SIZE]
            terms = []
            for c in range(CLASSES):
                p = 1 / (1 + math.exp(-float(logits[c])))
                label = masks[tile, c, y, x] * (1 - smoothing) + smoothing / 2
                present, absent = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
                term = present * WEIGHTS[c] * label * -math.log(p) * (1 - p) ** gamma
                terms.append(term + absent * (1 - label) * -math.log(1 - p) * p**gamma)
            of_pixels.append(np.mean(terms))
        losses.append(np.mean(of_pixels) if of_pixels else 0.0)
    return losses


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({}, {}),
        ({"label_smoothing": 0.2}, {"smoothing": 0.2}),
        ({"loss": "focal"}, {"gamma": 2.0, "alpha": 0.25}),
        ({"loss": "focal", "focal_gamma": 0.5, "focal_alpha": 0.6, "label_smoothing": 0.1},
         {"gamma": 0.5, "alpha": 0.6, "smoothing": 0.1}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
def test_it_is_the_mean_over_the_valid_pixels_of_a_tile(settings: dict, how: dict, weight: float) -> None:
    loss = DenseLoss.of(TrainConfig(**settings, dense_loss_weight=weight), WEIGHTS)
    found = loss(cover_of(VALID, MASKS), tf.constant(MAPS))
    expected = weight * np.array(slow_loss(VALID, MASKS, MAPS, **how))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert expected[3] == 0.0


def test_what_lies_outside_the_field_does_not_count() -> None:
    loss = DenseLoss(WEIGHTS)
    other_masks = np.where(VALID[:, np.newaxis] == 1, MASKS, 1 - MASKS)
    other_maps = MAPS.copy()
    other_maps[2, :, :2] = 50.0  # cells without a valid pixel
    found = loss(cover_of(VALID, MASKS), tf.constant(MAPS))
    np.testing.assert_array_equal(loss(cover_of(VALID, other_masks), tf.constant(other_maps)), found)
    other_maps[2, :, 3] = 50.0
    assert not np.allclose(loss(cover_of(VALID, MASKS), tf.constant(other_maps)), found)


def test_a_tile_without_a_valid_pixel_teaches_nothing() -> None:
    maps = tf.Variable(MAPS)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(DenseLoss(WEIGHTS)(cover_of(VALID, MASKS), maps))
    slopes = tape.gradient(total, maps).numpy()
    assert np.isfinite(slopes).all()
    assert not slopes[3].any()
    assert slopes[[0, 1, 2, 4]].any(axis=(1, 2, 3)).all()


def test_the_parts_of_a_batch_add_up_to_the_batch() -> None:
    loss, cover = DenseLoss(WEIGHTS), cover_of(VALID, MASKS)
    parts = [loss(cover[part], tf.constant(MAPS[part])) for part in (slice(0, 2), slice(2, 5))]
    np.testing.assert_array_equal(tf.concat(parts, axis=0), loss(cover, tf.constant(MAPS)))
