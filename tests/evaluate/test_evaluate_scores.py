"""Scores: tables worked by hand."""

import json
import math

import msgspec
import numpy as np
import pytest

from components.evaluate.scores import confusion_matrix, micro_roc, score

# Five tiles, classes a, b, c; c never occurs.
LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], bool)
PREDICTED = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0]], bool)
PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.8, 0.3, 0.0], [0.7, 0.9, 0.0], [0.1, 0.8, 0.9], [0.2, 0.1, 0.0]], np.float32
)
THRESHOLDS = (0.5, 0.5, 0.5)


def test_scores_are_those_worked_by_hand():
    scores = score(LABELS, PROBABILITIES, PREDICTED, THRESHOLDS, ["a", "b", "c"])
    a, b, c = (scores.per_class[name] for name in "abc")
    # a: tiles 0, 1 hit, tile 4 missed, tile 2 a false alarm. Ranked: +, +, -, +, -.
    assert (a.precision, a.recall, a.f1, a.support) == pytest.approx((2 / 3, 2 / 3, 2 / 3, 3))
    assert a.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    # b: tile 2 hit, tile 1 missed, tile 3 a false alarm. Ranked: +, -, +, -, -.
    assert (b.precision, b.recall, b.f1, b.support) == pytest.approx((1 / 2, 1 / 2, 1 / 2, 2))
    assert b.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert (c.precision, c.recall, c.f1, c.average_precision, c.support) == (0, 0, 0, 0, 0)
    # Macro averages leave out c, which has no support.
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.macro_precision == scores.macro_recall == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.map == pytest.approx((11 / 12 + 5 / 6) / 2)


def test_a_single_class_is_scored_like_one_of_several():
    scores = score(LABELS[:, :1], PROBABILITIES[:, :1], PREDICTED[:, :1], THRESHOLDS[:1], ["a"])
    assert scores.per_class["a"] == score(LABELS, PROBABILITIES, PREDICTED, THRESHOLDS, ["a", "b", "c"]).per_class["a"]
    assert scores.macro_f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize("labels", [np.zeros((4, 3), bool), np.ones((4, 3), bool)])
@pytest.mark.parametrize("predicted", [np.zeros((4, 3), bool), np.ones((4, 3), bool)])
def test_nothing_is_ever_nan_or_infinite(labels, predicted):
    probabilities = np.full((4, 3), 0.5, np.float32)
    scores = score(labels, probabilities, predicted, THRESHOLDS, ["a", "b", "c"])
    roc = micro_roc(labels, probabilities)
    json.dumps([msgspec.to_builtins(scores), roc.false_positive_rate, roc.threshold], allow_nan=False)


def test_the_multi_label_confusion_matrix_is_the_documented_one():
    confusion = confusion_matrix(LABELS, PREDICTED, ["a", "b", "c"], "multi_label")
    assert confusion.categories == ["a", "b", "c", "background"]
    assert confusion.matrix == [
        [2, 0, 0, 1],  # a: hit in tiles 0 and 1, missed in tile 4 with nothing in its place
        [0, 1, 0, 1],  # b: hit in tile 2, missed in tile 1
        [0, 0, 0, 0],
        [1, 1, 1, 0],  # a on top of the right b in tile 2; b and c on the bare tile 3
    ]


def test_a_class_missed_counts_against_each_class_in_its_place():
    labels, predicted = np.array([[1, 0, 0], [0, 0, 0]], bool), np.array([[0, 1, 1], [0, 0, 0]], bool)
    confusion = confusion_matrix(labels, predicted, ["a", "b", "c"], "multi_label")
    assert confusion.matrix == [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_the_single_label_confusion_matrix_is_the_plain_one():
    labels = np.eye(3, dtype=bool)[[0, 0, 1, 2, 2]]
    predicted = np.eye(3, dtype=bool)[[0, 1, 1, 2, 0]]
    confusion = confusion_matrix(labels, predicted, ["a", "b", "c"], "single_label")
    assert confusion.categories == ["a", "b", "c"]
    assert confusion.matrix == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_the_roc_curve_is_finite_and_short_enough_to_draw():
    rng = np.random.default_rng(0)
    labels = rng.random((5_000, 2)) < 0.3
    probabilities = np.clip(rng.normal(np.where(labels, 0.6, 0.4), 0.2), 0, 1).astype(np.float32)
    roc = micro_roc(labels, probabilities)
    points = list(zip(roc.false_positive_rate, roc.true_positive_rate, roc.threshold, strict=True))
    assert 100 < len(points) <= 200
    assert all(math.isfinite(value) and 0 <= value <= 1 for point in points for value in point)
    assert points[0] == (0, 0, 1)
    assert points[-1][:2] == (1, 1)
    assert sorted(roc.true_positive_rate) == roc.true_positive_rate
