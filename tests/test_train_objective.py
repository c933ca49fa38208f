import numpy as np
import pytest
import tensorflow as tf

from components.train.objective import class_weights, confusion_counts, macro_f1, tile_losses


@pytest.mark.parametrize(
    ("class_tiles", "num_tiles", "single_label", "expected"),
    [
        ((50, 20, 1, 0), 100, False, [1.0, 2.0, 5.0, 5.0]),  # never beyond 5, even without any tile
        ((90, 100), 100, False, [1.0, 1.0]),  # a frequent class is not held down
        ((10, 10), 20, True, [1.0, 1.0]),
        ((90, 10), 100, True, [np.sqrt(50 / 90), np.sqrt(5)]),
    ],
)
def test_rare_classes_weigh_more(
    class_tiles: tuple[int, ...], num_tiles: int, single_label: bool, expected: list[float]
) -> None:
    np.testing.assert_allclose(class_weights(class_tiles, num_tiles, single_label), expected, rtol=1e-6)


def test_losses_are_per_tile() -> None:
    labels = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    logits = tf.constant([[0.0, 0.0], [20.0, 20.0]])
    weights = np.array([3.0, 1.0], np.float32)
    multi = tile_losses(labels, logits, weights, single_label=False)
    np.testing.assert_allclose(multi, [(3 * np.log(2) + np.log(2)) / 2, 10.0], rtol=1e-5)
    single = tile_losses(labels, logits, weights, single_label=True)
    np.testing.assert_allclose(single, [3 * np.log(2), np.log(2)], rtol=1e-5)


def test_counts_take_the_threshold_or_the_most_probable_class() -> None:
    labels = tf.constant([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    logits = tf.constant([[1.0, 2.0], [-1.0, -0.5], [1.0, 1.0]])
    weights = tf.constant([1.0, 1.0, 0.0])  # the last fills up the batch
    multi = confusion_counts(labels, logits, weights, single_label=False)
    np.testing.assert_array_equal(multi, [[1, 0], [0, 1], [0, 1]])
    single = confusion_counts(labels, logits, weights, single_label=True)
    np.testing.assert_array_equal(single, [[0, 1], [0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([[1, 2], [0, 0], [0, 0]], 1.0),
        ([[1, 0], [1, 0], [1, 2]], 0.25),  # F1 of 0.5 and 0
        ([[3, 0], [0, 5], [0, 0]], 1.0),  # the second class has no tile
        ([[0], [0], [0]], 0.0),
    ],
)
def test_macro_f1_is_over_the_classes_that_have_tiles(counts: list[list[int]], expected: float) -> None:
    assert macro_f1(np.array(counts, float)) == pytest.approx(expected)
