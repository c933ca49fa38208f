"""Thresholds: worked tables."""

import numpy as np
import pytest

from components.evaluate.thresholds import choose_thresholds, decide, fixed_thresholds


def threshold_of(scores, positive, field_ids=None):
    """The threshold of a single class; each tile is of a field of its own unless said otherwise."""
    fields = np.array(field_ids if field_ids else [f"field{i}" for i in range(len(scores))])
    return choose_thresholds(np.array([scores], np.float32).T, np.array([positive], bool).T, fields)[0]


def drawn_towards_half(best, num_fields, part=1.0):
    """The rule, written down again: in log-odds, 0.5 being worth four fields."""
    kept = 1 - part * 4 / (num_fields + 4)
    return 1 / (1 + ((1 - best) / best) ** kept)


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.2, 0.9], [0, 1], drawn_towards_half(0.55, 1)),  # between the two neighbours
        ([0.9, 0.2], [1, 0], drawn_towards_half(0.55, 1)),  # the order of tiles does not matter
        ([0.1, 0.45, 0.5, 0.6], [0, 1, 1, 1], drawn_towards_half(0.275, 3)),
        (
            [0.1, 0.2, 0.21, 0.6],
            [0, 1, 1, 1],
            drawn_towards_half(0.15, 3, part=0.25),
        ),  # further would lose two of three
        # Cutting below the lower positive: precision 2/3, recall 1, F1 0.8; below the upper one only 0.667.
        ([0.1, 0.3, 0.5, 0.8], [0, 1, 0, 1], drawn_towards_half(0.2, 2, part=0.5)),
        ([0.7, 0.7, 0.1], [1, 0, 0], drawn_towards_half(0.4, 1)),  # no cut can part equal scores
        ([0.4, 0.6], [0, 0], 0.5),  # no positives, nothing to choose
        ([0.3, 0.3, 0.3], [1, 0, 0], 0.5),  # the model does not tell the class apart
        ([0.0, 0.0], [1, 1], 0.01),  # never 0, which would predict the class always
    ],
)
def test_a_threshold_is_the_best_cut_on_val_drawn_towards_half(scores, positive, expected):
    assert threshold_of(scores, positive) == pytest.approx(expected, abs=1e-5)


def test_the_more_fields_have_the_class_the_more_the_best_cut_counts():
    scores, positive = [0.1, 0.2] * 100, [0, 1] * 100
    assert threshold_of(scores, positive) == pytest.approx(0.15, abs=0.01)
    # A hundred tiles of one field are one witness.
    assert threshold_of(scores, positive, ["one"] * 200) == pytest.approx(threshold_of([0.1, 0.2], [0, 1]))


def test_scores_that_are_far_from_probabilities_keep_their_f1():
    # A rare class of an undertrained model: ranked perfectly, but every score is far below 0.5.
    scores, positive = np.array([0.012] * 40 + [0.03] * 3), np.array([0] * 40 + [1] * 3, bool)
    assert ((scores >= threshold_of(scores, positive)) == positive).all()


def test_classes_are_chosen_for_one_by_one():
    probabilities = np.array([[0.2, 0.9], [0.9, 0.2]], np.float32)
    labels = np.array([[0, 0], [1, 0]], bool)
    expected = (threshold_of([0.2, 0.9], [0, 1]), 0.5)
    assert choose_thresholds(probabilities, labels, np.array(["a", "b"])) == expected


def test_chosen_thresholds_beat_half_on_unseen_tiles_of_a_rare_class():
    rng = np.random.default_rng(0)
    labels = rng.random((4_000, 1)) < 0.05
    odds = rng.normal(np.where(labels, -1.0, -5.0), 1.5)
    probabilities = (1 / (1 + np.exp(-odds))).astype(np.float32)
    threshold = choose_thresholds(probabilities[:500], labels[:500], np.arange(500).astype(str))

    def f1(cut):
        predicted = probabilities[500:] >= cut
        return 2 * (predicted & labels[500:]).sum() / (predicted.sum() + labels[500:].sum())

    assert f1(threshold[0]) > f1(0.5) + 0.1


def test_multi_label_predicts_from_the_threshold_on():
    probabilities = np.array([[0.3, 0.2999999], [0.9, 0.1]], np.float32)
    assert decide(probabilities, (0.3, 0.3), "multi_label").tolist() == [[True, False], [True, False]]


def test_single_label_predicts_the_most_probable_class_whatever_the_thresholds():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], np.float32)  # of equal ones the first
    expected = [[False, True, False], [True, False, False]]
    assert decide(probabilities, fixed_thresholds(3), "single_label").tolist() == expected
