"""The counts of validation are those of the official metric, of which the scoring room has the slow one."""

import numpy as np
import pytest
import tensorflow as tf

from components.scoring.overlap_iou import mean_iou, pixel_confusion
from components.train.input.cover import cover_of_planes
from components.train.step.overlap_counts import from_words, overlap_counts, to_words

TILES, SIZE = 3, 16


@pytest.mark.parametrize("num_classes", [1, 3, 9, 15])
@pytest.mark.parametrize("cells", [(16, 16), (4, 4), (1, 1)])
def test_they_are_those_of_the_official_metric(num_classes: int, cells: tuple[int, int]) -> None:
    rng = np.random.default_rng(num_classes)
    maps = rng.normal(size=(TILES, *cells, num_classes)).astype(np.float32)
    masks = (rng.random((TILES, num_classes, SIZE, SIZE)) < 0.3).astype(np.uint8)
    masks[:, :, :4] = 0  # background
    valid = (rng.random((TILES, SIZE, SIZE)) < 0.8).astype(np.uint8)
    cover = cover_of_planes(tf.constant(np.concatenate([valid[:, np.newaxis], masks], axis=1)))
    found = tf.function(overlap_counts)(cover, tf.constant(maps), num_classes)
    assert found.dtype == tf.int32
    enlarged = tf.image.resize(maps, [SIZE, SIZE]).numpy()
    for tile in range(TILES):
        logits = enlarged[tile]
        predicted = np.where(logits.max(axis=-1) > 0, logits.argmax(axis=-1) + 1, 0).astype(np.uint8)
        labels = {c: masks[tile, c] == 1 for c in range(num_classes) if masks[tile, c].any()}
        expected = pixel_confusion(predicted, labels, valid[tile] == 1, num_classes)
        np.testing.assert_array_equal(found[tile], expected)


def test_a_class_must_be_more_probable_than_not() -> None:
    cover = cover_of_planes(tf.constant(np.ones((1, 2, 1, 1), np.uint8)))
    for logit, expected in ((0.1, [[0, 0], [0, 1]]), (0.0, [[0, 1], [0, 0]]), (-0.1, [[0, 1], [0, 0]])):
        assert overlap_counts(cover, tf.fill([1, 1, 1, 1], logit), 1).numpy()[0].tolist() == expected


def test_sums_over_replicas_stay_exact() -> None:
    """A float32 cannot count on from 16,777,216, the pixels of 64 tiles of 512 px."""
    counts = np.array([[16_777_217, 4_095], [4_096, 2_000_000_001]], np.int32)
    total = sum(to_words(tf.constant(counts)).numpy() for _ in range(8))
    assert from_words(total).tolist() == (counts.astype(np.int64) * 8).tolist()


def test_the_mean_leaves_out_what_is_nowhere() -> None:
    assert mean_iou(np.array([[3, 0, 0], [0, 1, 0], [0, 1, 0]])) == pytest.approx((1.0 + 0.5 + 0.0) / 3)
    assert mean_iou(np.array([[3, 0, 0], [0, 1, 0], [0, 0, 0]])) == 1.0
    assert mean_iou(np.zeros((3, 3), np.int64)) == 0.0
