"""Average precision and ROC-AUC, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from components.scoring.rank_bins import binned_scores, count_bins, rank_edges, weighted
from components.scoring.ranking import average_precision, roc_auc


def tiles(rate, spread, decimals, seed, num_tiles=3_000):
    """Labels and scores of one class, [N, 1]; scores that are rounded have ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random((num_tiles, 1)) < rate
    scores = 1 / (1 + np.exp(-spread * (rng.normal(size=labels.shape) + np.where(labels, 1, -1))))
    return labels, np.round(scores, decimals).astype(np.float32)


CASES = [(rate, spread, decimals) for rate in (0.002, 0.1, 0.9) for spread in (0.5, 4, 20) for decimals in (1, 3, 9)]


@pytest.mark.parametrize(("rate", "spread", "decimals"), CASES)
def test_scores_of_all_tiles_are_those_of_scikit_learn(rate, spread, decimals):
    labels, scores = tiles(rate, spread, decimals, seed=1)
    assert average_precision(labels, scores)[0] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert roc_auc(labels, scores)[0] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 0], (0.0, 0.0)),
        ([1, 1, 1], (1.0, 0.0)),  # no tile to outrank
        ([], (0.0, 0.0)),
        ([1, 0, 0], (1 / 3, 0.5)),  # all scores are equal
    ],
)
def test_what_is_undefined_is_0(labels, expected):
    column = np.array(labels, bool).reshape(-1, 1)
    scores = np.full(column.shape, 0.5, np.float32)
    assert (average_precision(column, scores)[0], roc_auc(column, scores)[0]) == expected


@pytest.mark.parametrize("spread", [0.5, 4.0, 20.0])  # in the last, half of the scores are 0 or 1 to six places
@pytest.mark.parametrize("rate", [0.005, 0.03, 0.3])
def test_bins_keep_the_deviation_of_resamples_to_1e_4(rate, spread):
    labels, scores = tiles(rate, spread, 9, seed=2, num_tiles=20_000)
    fields = np.arange(len(labels)) // 40
    bins = count_bins(labels[:, 0], scores[:, 0], fields, rank_edges(scores[labels]), int(fields.max()) + 1)
    rng = np.random.default_rng(3)
    weights = np.stack([np.bincount(rng.integers(500, size=500), minlength=500) for _ in range(60)])
    exact = []
    for weight in weights:
        of_tile = weight[fields]
        exact.append(
            (
                average_precision_score(labels[:, 0], scores[:, 0], sample_weight=of_tile),
                roc_auc_score(labels[:, 0], scores[:, 0], sample_weight=of_tile),
            )
        )
    binned = binned_scores(next(weighted([bins], weights.astype(np.float32))), bins.by_bin()[1])
    for approximate, true in zip(binned, np.transpose(exact), strict=True):
        assert approximate.std() == pytest.approx(true.std(), abs=1e-4)
        assert np.abs((approximate - approximate.mean()) - (true - true.mean())).max() < 2e-3


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_a_class_with_fewer_tiles_than_edges_is_exact_ties_included(decimals):
    labels, scores = tiles(0.02, 1, decimals, seed=4)
    edges = rank_edges(scores[labels])
    assert labels.sum() < 128
    bins = count_bins(labels[:, 0], scores[:, 0], np.zeros(len(labels), np.intp), edges, 1)
    found = binned_scores(next(weighted([bins], np.ones((1, 1), np.float32))), bins.by_bin()[1])
    assert found[0][0] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert found[1][0] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("at_once", [1, 500, 1 << 22])
def test_classes_that_are_weighted_together_get_what_each_gets_by_itself(monkeypatch, at_once):
    rng = np.random.default_rng(5)
    fields, num_fields = rng.integers(0, 30, 900), 30
    weights = rng.integers(0, 4, (7, num_fields)).astype(np.float32)
    bins = []
    for rate in (0.3, 0.0, 0.002, 0.05):  # one class has no tile
        labels, scores = tiles(rate, 1, 2, seed=6, num_tiles=len(fields))
        bins.append(count_bins(labels[:, 0], scores[:, 0], fields, rank_edges(scores[labels]), num_fields))
    monkeypatch.setattr("components.scoring.rank_bins._NUMBERS_AT_ONCE", at_once)
    found = list(weighted(bins, weights))
    assert len(found) == len(bins)
    for sums, each in zip(found, bins, strict=True):
        dense = np.zeros((num_fields, 2 * each.num_bins), np.int64)
        dense.reshape(-1)[each.cells] = each.counts
        np.testing.assert_array_equal(sums.reshape(len(weights), -1), weights @ dense)
