"""Sums by field from which average precision and ROC-AUC can be computed again for any resample of the fields.

A resample changes how often a tile counts, not its score, so it needs no new ranking, only how many tiles with and
without the class each field has in each bin of scores. The edges are quantiles of the scores of tiles that have the
class, because both measures are sums over these tiles: so the bins are fine where it matters, however the scores are
spread. What lies at an edge is a bin by itself, so a class with no more tiles than edges is exact. With 128 edges the
standard deviation of a resampled AP or ROC-AUC is off by less than 1e-4; bins of equal width are off by up to 0.03,
because a rare class's scores crowd near 0.

The edges follow from a first pass over the same tiles. They are scores that occur, never interpolated, and the sums are
integers, so workers that share out the tiles get the same bytes as one.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_EDGES = 128
_SPARSE = 8  # below one tile in so many cells, sorting the tiles' cells is faster than counting all
_TILES_AT_ONCE = 1 << 20
_NUMBERS_AT_ONCE = 1 << 22  # 16 MB

Edges = NDArray[np.float32]


def rank_edges(positive_scores: NDArray[np.float32], num_edges: int = NUM_EDGES) -> Edges:
    """Returns the edges of the bins of one class, ascending and distinct, float32 [at most num_edges].

    Args:
      positive_scores: The scores of all tiles that have the class, in any order, [P]; there may be none.
    """
    if not len(positive_scores):
        return np.array([], np.float32)
    ranked = np.sort(np.asarray(positive_scores, np.float32))
    return np.unique(ranked[np.arange(num_edges) * len(ranked) // num_edges])


def bins_of(num_edges: int) -> int:
    """Returns the number of bins: at each edge, and around them."""
    return 2 * num_edges + 1


@dataclasses.dataclass(frozen=True)
class BinCounts:
    """Numbers of tiles of one class by field, bin, and whether they have the class; most are 0, and left out.

    Attributes:
      edges: The bins are, ascending: below the first edge, at it, between it and the second, and so on, [E].
      cells: Ascending: (field * 2 + has the class) * B + bin; int32 if that is enough, because there may be millions.
      counts: The number of tiles in each cell, at least 1; likewise.
    """

    edges: Edges
    cells: NDArray[np.integer[Any]]
    counts: NDArray[np.integer[Any]]

    @classmethod
    def of(cls, edges: Edges, cells: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]]) -> "BinCounts":
        """Returns counts whose cells are in ascending order, in as few bytes as they need."""
        small = [of.astype(np.int32) if of.max(initial=0) < 2**31 else of for of in (cells, counts)]
        return cls(edges, *small)

    @property
    def num_bins(self) -> int:
        """B, which is 2 * E + 1."""
        return bins_of(len(self.edges))

    def moved(self, places: NDArray[np.int64]) -> "BinCounts":
        """Returns the same counts with each field, by number, at its number in `places`."""
        fields, rest = np.divmod(self.cells, 2 * self.num_bins)
        cells = places[fields] * (2 * self.num_bins) + rest
        order = np.argsort(cells)
        return BinCounts.of(self.edges, cells[order], self.counts[order])

    def by_bin(self) -> NDArray[np.int64]:
        """Returns the tiles of all fields, without (0) and with (1) the class, int64 [2, B]."""
        of_cell = self.cells % (2 * self.num_bins)
        return np.bincount(of_cell, self.counts, 2 * self.num_bins).astype(np.int64).reshape(2, self.num_bins)


def weighted(bins: Sequence[BinCounts], weights: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yields the sums of each class with each field taken `weights` times, [R, F]: without and with it, [R, 2, B].

    Classes are multiplied several at a time, because with one of few tiles it takes longer to read the weights than to
    multiply them. Columns without tiles are left out, often one in four, because few tiles lie exactly at an edge.
    """
    num_fields = weights.shape[1]
    most = max(1, _NUMBERS_AT_ONCE // max(num_fields, len(weights), 1))
    waiting: list[BinCounts] = []
    width = 0
    for each in bins:
        columns = min(2 * each.num_bins, len(each.cells))
        if waiting and width + columns > most:
            yield from _weighted(waiting, weights)
            waiting, width = [], 0
        waiting.append(each)
        width += columns
    yield from _weighted(waiting, weights)


def _weighted(bins: Sequence[BinCounts], weights: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    places = [np.unique(each.cells % (2 * each.num_bins), return_inverse=True) for each in bins]
    starts = np.cumsum([0, *(len(used) for used, _ in places)])
    matrix = np.zeros((weights.shape[1], int(starts[-1])), np.float32)
    for each, (_, place), start in zip(bins, places, starts[:-1], strict=True):
        matrix[each.cells // (2 * each.num_bins), place + start] = each.counts
    found = weights @ matrix
    for each, (used, _), start in zip(bins, places, starts[:-1], strict=True):
        sums = np.zeros((len(weights), 2 * each.num_bins), np.float32)
        sums[:, used] = found[:, start : start + len(used)]
        yield sums.reshape(len(weights), 2, each.num_bins)


def count_bins(
    labels: NDArray[np.bool_], scores: NDArray[np.float32], field_of_tile: NDArray[Any], edges: Edges, num_fields: int
) -> BinCounts:
    """Returns the sums of one class; `labels`, `scores` and `field_of_tile`, in 0..num_fields-1, are [N]."""
    num_bins = bins_of(len(edges))
    num_cells = num_fields * 2 * num_bins
    if len(scores) < num_cells // _SPARSE:
        return BinCounts.of(edges, *np.unique(_cells(labels, scores, field_of_tile, edges), return_counts=True))
    counts = np.zeros(num_cells, np.int64)
    for start in range(0, len(scores), _TILES_AT_ONCE):
        here = slice(start, start + _TILES_AT_ONCE)
        counts += np.bincount(_cells(labels[here], scores[here], field_of_tile[here], edges), minlength=num_cells)
    cells = np.flatnonzero(counts)
    return BinCounts.of(edges, cells, counts[cells])


def _cells(
    labels: NDArray[np.bool_], scores: NDArray[np.float32], field_of_tile: NDArray[Any], edges: Edges
) -> NDArray[np.int64]:
    of_tile = np.searchsorted(edges, scores, side="left") + np.searchsorted(edges, scores, side="right")
    return np.asarray((field_of_tile.astype(np.int64) * 2 + labels) * bins_of(len(edges)) + of_tile)


def add_bins(parts: Sequence[BinCounts]) -> BinCounts:
    """Returns the sum of counts that have the same edges and numbers of fields."""
    cells, place = np.unique(np.concatenate([part.cells for part in parts]), return_inverse=True)
    counts = np.zeros(len(cells), np.int64)
    np.add.at(counts, place, np.concatenate([part.counts for part in parts]))
    return BinCounts.of(parts[0].edges, cells, counts)


def binned_scores(
    counts: NDArray[np.float32], true_in_bin: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns average precision and ROC-AUC from numbers of tiles by bin, each [R].

    At an edge all tiles have one score, and ties count as in `ranking`. Between two edges, tiles with and without the
    class are taken to alternate evenly.

    Args:
      counts: Of R resamples, without and with the class by ascending bin, [R, 2, B].
      true_in_bin: How many tiles with the class each bin holds, before resampling, [B].

    Returns:
      NaN where it is undefined: without tiles that have the class, and for ROC-AUC without others.
    """
    at_edge = (np.arange(len(true_in_bin)) % 2 == 1)[::-1]
    # Of a bin's tiles, how many score at least as high as one that has the class, itself included: all at an edge;
    # between two, j of k for the j-th.
    true_share = np.where(at_edge, 1.0, (true_in_bin[::-1] + 1) / (2 * np.maximum(true_in_bin[::-1], 1)))
    false_share = np.where(at_edge, 1.0, 0.5)
    false, true = (np.asarray(counts[:, side, ::-1], np.float64) for side in (0, 1))  # highest scores first
    all_true, all_false = true.sum(axis=1), false.sum(axis=1)
    false_before = np.cumsum(false, axis=1)
    true_above = np.cumsum(true, axis=1) - true * (1 - true_share)
    false_above = false_before - false * (1 - false_share)
    precision = true_above / np.maximum(true_above + false_above, 0.5)
    outranked = all_false[:, np.newaxis] - (false_before - false / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (true * precision).sum(axis=1) / all_true, (true * outranked).sum(axis=1) / (all_true * all_false)
