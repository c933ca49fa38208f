"""The threshold of places: the mean IoU of the challenges decides, and few fields draw it towards one half."""

import numpy as np
import pytest

from components.scoring.dense.pixel_classes import log_odds
from components.scoring.dense.place_thresholds import choose_place_thresholds

MANY = 10**9  # fields, which draw a threshold nowhere


def pixels(shift, num_pixels=40_000, seed=0):
    """Returns logits of two classes that a third of the pixels each have, whose best threshold is that of `shift`."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, num_pixels)
    logits = generator.normal(-3, 1.5, (num_pixels, 2))
    for c in range(2):
        logits[labels == c + 1, c] += 6
    return (logits + shift).astype(np.float32), np.array([0, 1, 2], np.uint16)[labels]


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.35, 0.65), (2.0, 0.8, 0.95), (-2.0, 0.05, 0.2)])
def test_a_threshold_makes_up_for_maps_that_say_too_much_or_too_little(shift, low, high):
    assert all(low <= each <= high for each in choose_place_thresholds(*pixels(shift), (MANY, MANY)))


def test_the_fewer_fields_have_a_class_the_nearer_one_half_its_threshold_is():
    chosen = [choose_place_thresholds(*pixels(2.0), (few, MANY))[0] for few in (0, 1, 4, 40, MANY)]
    assert chosen[0] == 0.5
    assert chosen == sorted(chosen)
    halfway = log_odds([chosen[-1]])[0] / 2  # with as many fields as one half is worth
    assert log_odds([chosen[2]])[0] == pytest.approx(halfway, abs=1e-3)


def test_a_class_that_no_pixel_has_keeps_one_half():
    logits, labels = pixels(2.0)
    logits = np.concatenate([logits, np.full((len(logits), 1), 5, np.float32)], axis=1)  # ahead almost everywhere
    assert choose_place_thresholds(logits, labels, (MANY, MANY, 0))[2] == 0.5


def test_without_a_pixel_all_keep_one_half():
    nothing = np.zeros((0, 2), np.float32), np.zeros(0, np.uint16)
    assert choose_place_thresholds(*nothing, (0, 0)) == (0.5, 0.5)


def test_the_order_of_the_pixels_does_not_matter():
    logits, labels = pixels(1.0)
    order = np.random.default_rng(3).permutation(len(labels))
    assert choose_place_thresholds(logits, labels, (5, 9)) == choose_place_thresholds(
        logits[order], labels[order], (5, 9)
    )


def test_overlapping_labels_are_judged_as_the_challenges_do():
    # Where both classes are, class 0 is right too; class 1, which is ahead there, must not be held back for its sake.
    logits = np.repeat(np.array([[1.0, 2.0], [3.0, -3.0], [-3.0, -3.0]], np.float32), 1_000, axis=0)
    labels = np.repeat(np.array([3, 1, 0], np.uint16), 1_000)
    assert choose_place_thresholds(logits, labels, (MANY, MANY)) == (0.5, 0.5)
