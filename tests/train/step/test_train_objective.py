import numpy as np
import pytest
import tensorflow as tf

from components.train.settings.config import TrainConfig
from components.train.step.objective import class_weights, confusion_counts, macro_f1, make_loss, tile_losses


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


@pytest.mark.parametrize(
    ("weighting", "beta", "expected"),
    [
        ("none", 0.9, [1.0, 1.0]),
        ("effective_number", 0.0, [1.0, 1.0]),  # any number of tiles is worth one
        ("effective_number", 0.5, np.array([1 / 1.5, 1.0]) / np.mean([1 / 1.5, 1.0])),  # 2 tiles and 1
    ],
)
@pytest.mark.parametrize("single_label", [False, True])
def test_other_class_weights(weighting: str, beta: float, expected: list[float], single_label: bool) -> None:
    np.testing.assert_allclose(class_weights((2, 1), 3, single_label, weighting, beta), expected, rtol=1e-6)


LABELS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], np.float32)
LOGITS = np.array([[2.0, -1.0, 0.5], [0.3, 0.2, -3.0], [-6.0, 5.0, 4.0], [30.0, -40.0, 90.0]], np.float32)
WEIGHTS = np.array([1.0, 2.0, 0.5], np.float32)


def multi_label_loss(gamma: float, alpha: float, smoothing: float) -> np.ndarray:
    p, q = (1 / (1 + np.exp(-x)) for x in (LOGITS.astype(float), -LOGITS.astype(float)))
    y = LABELS * (1 - smoothing) + smoothing / 2
    present = WEIGHTS * alpha * y * q**gamma * -np.log(p)
    absent = (1 - alpha) * (1 - y) * p**gamma * -np.log(q)
    return (present + absent).mean(axis=1)


def single_label_loss(gamma: float, smoothing: float) -> np.ndarray:
    p = np.exp(LOGITS.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    y = LABELS * (1 - smoothing) + smoothing / 3
    return (LABELS * WEIGHTS).sum(axis=1) * (y * (1 - p) ** gamma * -np.log(p)).sum(axis=1)


@pytest.mark.parametrize(
    ("tuning", "single_label", "expected"),
    [
        ({}, False, 2 * multi_label_loss(0, 0.5, 0)),
        ({"label_smoothing": 0.2}, False, 2 * multi_label_loss(0, 0.5, 0.2)),
        ({"loss": "focal"}, False, multi_label_loss(2, 0.25, 0)),
        ({"loss": "focal", "focal_gamma": 0.5, "focal_alpha": 0.9}, False, multi_label_loss(0.5, 0.9, 0)),
        ({"loss": "focal", "label_smoothing": 0.1}, False, multi_label_loss(2, 0.25, 0.1)),
        ({"focal_gamma": 1.0, "focal_alpha": 0.9}, False, 2 * multi_label_loss(0, 0.5, 0)),  # not asked for
        ({}, True, single_label_loss(0, 0)),
        ({"label_smoothing": 0.3}, True, single_label_loss(0, 0.3)),
        ({"loss": "focal", "focal_gamma": 2.0}, True, single_label_loss(2, 0)),
    ],
)
def test_losses_follow_their_formula(tuning: dict, single_label: bool, expected: np.ndarray) -> None:
    loss = make_loss(TrainConfig(**tuning), WEIGHTS, single_label)
    np.testing.assert_allclose(loss(tf.constant(LABELS), tf.constant(LOGITS)), expected, rtol=1e-4)


@pytest.mark.parametrize("single_label", [False, True])
def test_gradients_stay_numbers_where_a_model_is_sure(single_label: bool) -> None:
    logits = tf.Variable([[200.0, -200.0, 0.0], [-200.0, 200.0, -200.0]])
    with tf.GradientTape() as tape:
        loss = make_loss(TrainConfig(loss="focal", focal_gamma=0.5), WEIGHTS, single_label)(LABELS[:2], logits)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()


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
