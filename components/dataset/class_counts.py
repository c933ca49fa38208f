"""Counts tiles and pixels by row and class, for the table of fields: a row has few of perhaps a thousand classes."""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


class ClassCounts:
    """Tiles and pixels by pair of row and class: 24 bytes for each pair that has any, none for the others.

    The number of a pair is row * (number of classes) + class.
    """

    def __init__(self) -> None:
        self._pairs = np.zeros(0, np.int64)  # sorted, unique
        self._counts = np.zeros((0, 2), np.int64)
        self._pending: list[Counts] = []
        self._num_pending = 0

    def add(self, counts: Counts) -> None:
        """Adds rows of (pair, tiles, pixels), [N, 3]."""
        self._pending.append(counts)
        self._num_pending += len(counts)
        if self._num_pending > max(2**16, len(self._pairs)):
            self.summed()

    def summed(self) -> tuple[Counts, Counts]:
        """Returns the pairs, sorted, [P], and their tiles and pixels, [P, 2]."""
        if self._pending:
            pairs = np.concatenate([self._pairs, *(block[:, 0] for block in self._pending)])
            counts = np.concatenate([self._counts, *(block[:, 1:] for block in self._pending)])
            self._pending, self._num_pending = [], 0
            order = np.argsort(pairs, kind="stable")
            pairs, counts = pairs[order], counts[order]
            starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
            self._pairs, self._counts = pairs[starts], np.add.reduceat(counts, starts, axis=0)
        return self._pairs, self._counts
