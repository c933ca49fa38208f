"""The one definition of macro F1: by hand, and as scikit-learn has it."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from components.f1_score import f1, macro, macro_of_each


@pytest.mark.parametrize(
    ("hits", "predicted", "true", "expected"),
    [
        (3, 3, 3, 1.0),
        (2, 3, 3, 2 / 3),  # precision and recall are 2/3, and so is their mean
        (1, 1, 3, 0.5),  # precision 1, recall 1/3
        (1, 4, 1, 0.4),  # precision 1/4, recall 1
        (0, 2, 3, 0.0),
        (0, 0, 3, 0.0),  # never predicted
        (0, 2, 0, 0.0),  # no tile has it, but it was predicted
        (0, 0, 0, 0.0),  # neither; 0 and no NaN, which KFP breaks on
    ],
)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(hits: int, predicted: int, true: int, expected: float) -> None:
    assert f1(hits, predicted, true) == pytest.approx(expected)
    assert f1(np.array([hits, hits]), np.array([predicted, predicted]), true).tolist() == [expected] * 2


@pytest.mark.parametrize(
    ("scores", "true", "expected"),
    [
        ([0.5, 1.0], [3, 1], 0.75),  # each class counts the same, however many tiles have it
        ([0.5, 0.0], [3, 0], 0.5),  # no tile has the second, which says nothing
        ([0.5, 0.0], [3, 2], 0.25),  # some have, and none was found
        ([0.0, 0.0], [0, 0], 0.0),
    ],
)
def test_macro_is_over_the_classes_that_some_tile_has(scores: list[float], true: list[int], expected: float) -> None:
    assert macro(np.array(scores), np.array(true)) == expected
    rows = np.array([scores, scores[::-1]]), np.array([true, true[::-1]])
    assert macro_of_each(*rows).tolist() == [expected] * 2


@pytest.mark.parametrize("seed", range(50))
def test_macro_f1_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # From two classes on: a single column is to scikit-learn the answer to "yes or no", and it scores the no as well.
    num_tiles, num_classes = rng.integers(1, 200), rng.integers(2, 15)
    labels = rng.random((num_tiles, num_classes)) < rng.random(num_classes) * (rng.random(num_classes) < 0.7)
    predicted = labels ^ (rng.random(labels.shape) < 0.3)
    supported = np.flatnonzero(labels.any(axis=0))

    scores = f1((labels & predicted).sum(axis=0), predicted.sum(axis=0), labels.sum(axis=0))

    by_class = f1_score(labels, predicted, average=None, labels=range(num_classes), zero_division=0)
    assert scores.tolist() == by_class.tolist()
    expected = f1_score(labels, predicted, average="macro", labels=supported) if len(supported) else 0.0
    assert macro(scores, labels.sum(axis=0)) == pytest.approx(expected, abs=1e-15)
    assert macro_of_each(scores[np.newaxis], labels.sum(axis=0)[np.newaxis]) == pytest.approx([expected], abs=1e-15)
