"""Counts from bits, against those that overlap_iou.py makes from pixels."""

import numpy as np
import pytest

from components.scoring.dense.pixel_counts import count_pixels
from components.scoring.overlap_iou import pixel_confusion


def packed(planes):
    return {c: np.packbits(plane, axis=1) for c, plane in planes.items()}


@pytest.mark.parametrize(
    ("height", "width", "num_classes", "num_labels"),
    [(16, 16, 3, 2), (7, 13, 5, 5), (1, 1, 1, 1), (32, 9, 15, 15), (64, 64, 9, 0), (5, 8, 4, 3)],
)
def test_bits_give_the_matrix_of_pixels(height, width, num_classes, num_labels):
    generator = np.random.default_rng(height * width)
    labels = {c: generator.random((height, width)) < 0.4 for c in range(num_labels)}
    valid = generator.random((height, width)) < 0.8
    predicted = generator.integers(0, num_classes + 1, (height, width)).astype(np.uint8)
    counts = count_pixels(predicted, packed(labels), np.packbits(valid, axis=1), num_classes)
    expected = pixel_confusion(predicted, labels, valid, num_classes)
    assert (counts.confusion() == expected).all()
    assert counts.num_pixels == valid.sum()
    has = np.array([np.zeros((height, width)), *(labels.get(c, predicted < 0) for c in range(num_classes))], bool)
    has[0] = ~has[1:].any(axis=0)
    assert counts.num_right == np.take_along_axis(has, predicted[np.newaxis], axis=0)[0][valid].sum()


def test_a_tile_without_a_valid_pixel_counts_nothing():
    counts = count_pixels(np.ones((4, 4), np.uint8), {}, np.zeros((4, 1), np.uint8), 2)
    assert counts.num_pixels == counts.num_right == 0
    assert (counts.confusion() == 0).all()


def test_where_all_pixels_show_classes_no_background_is_predicted():
    predicted = np.array([[1, 2], [2, 2]], np.uint8)
    counts = count_pixels(predicted, {}, np.packbits(np.ones((2, 2), bool), axis=1), 2)
    assert counts.confusion().tolist() == [[0, 0, 0], [1, 0, 0], [3, 0, 0]]


def test_of_overlapping_labels_one_right_answer_counts_for_all():
    both = np.ones((1, 8), bool)
    right = count_pixels(np.full((1, 8), 2, np.uint8), packed({0: both, 1: both}), np.packbits(both, axis=1), 3)
    assert right.confusion().diagonal().tolist() == [0, 8, 8, 0]
    wrong = count_pixels(np.full((1, 8), 3, np.uint8), packed({0: both, 1: both}), np.packbits(both, axis=1), 3)
    assert wrong.confusion()[3].tolist() == [0, 8, 8, 0]
