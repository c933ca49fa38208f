import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from components.train.input.cover import classes_of, cover_of_planes, valid_of
from components.train.settings.config import TrainConfig
from components.train.step.augment import Augmentation, augment, warp

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 255, (64, 6, 6, 4), np.uint8)
VALID = (IMAGE[..., :1] > 100).astype(np.uint8)  # so that it can be seen to move along
ORIENTATION = Augmentation.of(TrainConfig())
EVERYTHING = Augmentation.of(TrainConfig(zoom_range=0.2, shear_degrees=10.0, brightness_range=0.2))


def run(
    step: int, positions: np.ndarray, seed: int = 5, how: Augmentation = ORIENTATION
) -> tuple[np.ndarray, np.ndarray]:
    image, valid = augment(
        tf.constant(IMAGE[positions]),
        tf.constant(VALID[positions]),
        how,
        seed,
        tf.constant(step, tf.int64),
        tf.constant(positions, tf.int32),
        len(IMAGE),
    )
    return image.numpy(), valid.numpy()


def test_every_tile_comes_in_one_of_its_eight_orientations_and_all_occur() -> None:
    image, valid = run(3, np.arange(64))
    seen = set()
    for tile, mask, source in zip(image, valid, IMAGE, strict=True):
        turned = [np.rot90(flipped, turns) for flipped in (source, source[:, ::-1]) for turns in range(4)]
        matches = [number for number, candidate in enumerate(turned) if np.array_equal(candidate, tile)]
        assert len(matches) == 1
        seen.update(matches)
        np.testing.assert_array_equal(mask, tile[..., :1] > 100)
    assert seen == set(range(8))


@pytest.mark.parametrize("how", [ORIENTATION, EVERYTHING])
def test_a_tile_is_changed_alike_by_one_worker_and_by_two(how: Augmentation) -> None:
    whole = run(3, np.arange(64), how=how)
    halves = [run(3, positions, how=how) for positions in (np.arange(32), np.arange(32, 64))]
    for part in (0, 1):
        np.testing.assert_array_equal(whole[part], np.concatenate([half[part] for half in halves]))


@pytest.mark.parametrize("how", [ORIENTATION, EVERYTHING])
def test_another_step_or_seed_changes_otherwise(how: Augmentation) -> None:
    images = [run(3, np.arange(64), how=how)[0], run(4, np.arange(64), how=how)[0], run(3, np.arange(64), 6, how)[0]]
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


@pytest.mark.parametrize("how", [ORIENTATION, EVERYTHING])
def test_it_does_the_same_inside_a_graph(how: Augmentation) -> None:
    positions = tf.range(64)
    graph = tf.function(lambda step: augment(tf.constant(IMAGE), tf.constant(VALID), how, 5, step, positions, 64))
    np.testing.assert_array_equal(graph(tf.constant(3, tf.int64))[0], run(3, np.arange(64), how=how)[0])


def warped(image: np.ndarray, valid: np.ndarray, *affine: float, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Warps one tile, given x_per_x, x_per_y, y_per_y."""
    gains = tf.fill([1, image.shape[-1]], gain)
    image, valid = warp(
        tf.constant(image[np.newaxis]), tf.constant(valid[np.newaxis]), *(tf.constant([a]) for a in affine), gain=gains
    )
    return image.numpy()[0], valid.numpy()[0]


# 5 px, so that a pixel lies at the centre; each value is its own place.
PLACES = np.arange(25, dtype=np.uint8).reshape(5, 5, 1)
EVERY_OTHER = [0, 2, 4]


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        ((1.0, 0.0, 1.0), PLACES),
        ((-1.0, 0.0, 1.0), PLACES[:, ::-1]),
        ((1.0, 0.0, -1.0), PLACES[::-1]),
        # Twice as large: between two pixels lies their mean.
        ((0.5, 0.0, 0.5), (np.arange(6, 18.5, 2.5)[:, np.newaxis] + np.arange(0, 2.5, 0.5))[..., np.newaxis]),
        # Half as large: every other pixel in the middle, the edge's around it.
        ((2.0, 0.0, 2.0), PLACES[np.ix_([0, 0, 2, 4, 4], [0, 0, 2, 4, 4])]),
        # Sheared by one pixel per row.
        (
            (1.0, 1.0, 1.0),
            np.stack([row[np.clip(np.arange(5) + y - 2, 0, 4)] for y, row in enumerate(PLACES)]),
        ),
    ],
)
def test_pixels_come_from_where_the_geometry_says(affine: tuple[float, ...], expected: np.ndarray) -> None:
    image, _ = warped(PLACES, np.ones_like(PLACES), *affine)
    np.testing.assert_array_equal(image, np.floor(np.asarray(expected) + 0.5))


def test_what_comes_from_outside_is_not_valid() -> None:
    _, valid = warped(PLACES, np.ones_like(PLACES), 2.0, 0.0, 2.0)
    assert valid[..., 0].tolist() == [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5]


def test_the_mask_moves_like_the_bands() -> None:
    shape = np.zeros((32, 32, 1), np.uint8)
    shape[8:20, 4:24] = 1
    affine = (0.85, -0.15, 1.15)
    image, valid = warped(shape * 200, shape, *affine)
    agree = (image >= 100) == (valid == 1)
    assert agree.mean() > 0.99, "but for the rounding of single pixels"
    assert 0 < valid.mean() < 1


@pytest.mark.parametrize(
    ("how", "num_classes"),  # with nine, the last is in the second byte of the cover
    [
        ({"flips": True}, 2),
        ({"quarter_turns": True}, 9),
        ({"flips": True, "quarter_turns": True}, 9),
        ({"zoom_range": 0.3}, 9),
        ({"shear_degrees": 20.0}, 2),
        (dataclasses.asdict(EVERYTHING), 9),
    ],
)
def test_the_mask_of_a_class_stays_on_what_shows_the_class(how: dict, num_classes: int) -> None:
    """The last class is painted in white on black, and class 0 in a corner of it; the field ends at the last rows."""
    shape = np.zeros((16, 32, 32), np.uint8)
    for number in range(16):
        shape[number, 4 : 12 + number, 6 : 10 + number] = 1
    corner, valid = np.zeros_like(shape), np.ones_like(shape)
    corner[:, 4:8, 6:10], valid[:, 29:] = 1, 0
    planes = np.stack([valid, corner, *[np.zeros_like(shape)] * (num_classes - 2), shape], axis=1)
    bands = np.stack([shape, corner, valid], axis=-1) * np.uint8(200)
    positions = tf.range(16)
    image, cover = augment(
        tf.constant(bands),
        cover_of_planes(tf.constant(planes)),
        Augmentation(**how),
        5,
        tf.constant(3, tf.int64),
        positions,
        16,
    )
    assert (image.numpy() != bands).any(axis=(1, 2, 3)).sum() > 4, "nothing moved"
    inside = valid_of(cover).numpy()[..., 0] == 1
    classes = classes_of(cover, num_classes).numpy()
    for plane, band in ((classes[:, -1], image[..., 0]), (classes[:, 0], image[..., 1])):
        agree = (band.numpy() >= 100) == (plane == 1)
        assert agree[inside].mean() > 0.985, "but for the rounding of single pixels"
        assert plane[inside].any()
    assert not classes[:, 1:-1].any()
    # What comes from outside the tile has neither; its bytes repeat the edge, which for the last rows is no field.
    assert not classes[:, :, ~inside.any(axis=0)].any()
    assert (image.numpy()[..., 2][inside] >= 100).mean() > 0.985


@pytest.mark.parametrize(("gain", "expected"), [(0.8, [80, 200]), (1.2, [120, 255]), (1.005, [101, 251])])
def test_brightness_is_rounded_and_cut_off(gain: float, expected: list[int]) -> None:
    tile = np.full((4, 4, 2), [100, 250], np.uint8)
    image, _ = warped(tile, np.ones((4, 4, 1), np.uint8), 1.0, 0.0, 1.0, gain=gain)
    assert image[1, 1].tolist() == expected


def test_brightness_alone_leaves_the_geometry_as_it_is() -> None:
    image, valid = run(3, np.arange(64), how=Augmentation(brightness_range=0.5))
    np.testing.assert_array_equal(valid, VALID)
    ratios = image[:, :, :, :].astype(float).sum(axis=(1, 2)) / IMAGE.astype(float).sum(axis=(1, 2))  # [64, 4]
    assert ratios.min() > 0.45
    assert ratios.max() < 1.5
    assert np.ptp(ratios, axis=1).min() > 0.005, "each band has a factor of its own"
