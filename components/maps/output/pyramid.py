"""A mosaic and its overviews, each of half the size of the one before, written side by side from the top to the bottom.

A value of an overview is the mean of those of its four that were judged.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NODATA = 255
BLOCK_PX = 128  # of the files; rows are written when they fill blocks, so that none is written twice


def level_sizes(height: int, width: int, most: int) -> Iterator[tuple[int, int]]:
    """Yields height and width of a mosaic and its overviews, down to the first that is at most `most` long and wide."""
    for _ in itertools.count():
        yield height, width
        if max(height, width) <= most:
            return
        height, width = -(-height // 2), -(-width // 2)


class Pyramid:
    """Takes rows of a mosaic.

    Attributes:
      datasets: The largest first, open for writing; each has a method `write` as rasterio's have.
    """

    def __init__(self, datasets: Sequence[Any], size: tuple[int, int, int]) -> None:
        """Begins above the first row; `size` is the number of classes, height and width of the largest."""
        self.datasets = datasets
        widths = [-(-size[2] // 2**level) for level in range(len(datasets))]
        self._held = [np.full((size[0], BLOCK_PX, width), NODATA, np.uint8) for width in widths]
        self._num_held, self._row = [0] * len(datasets), [0] * len(datasets)

    def add(self, values: NDArray[np.uint8], level: int = 0) -> None:
        """Takes the next rows of a level, [C, r, width]."""
        while values.shape[1]:
            begin = self._num_held[level]
            taken = min(BLOCK_PX - begin, values.shape[1])
            self._held[level][:, begin : begin + taken] = values[:, :taken]
            self._num_held[level], values = begin + taken, values[:, taken:]
            if self._num_held[level] == BLOCK_PX:
                self._write(level)

    def finish(self) -> None:
        """Writes the last rows."""
        for level in range(len(self.datasets)):
            self._write(level)

    def _write(self, level: int) -> None:
        rows = self._held[level][:, : self._num_held[level]]
        if not rows.shape[1]:
            return
        end = self._row[level] + rows.shape[1]
        self.datasets[level].write(rows, window=((self._row[level], end), (0, rows.shape[2])))
        self._num_held[level], self._row[level] = 0, end
        if level + 1 < len(self.datasets):
            self.add(halved(rows), level + 1)


def halved(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns values at half the size, uint8 [C, r / 2, width / 2], both rounded up."""
    odd = [(0, 0), *((0, length % 2) for length in values.shape[1:])]
    values = np.pad(values, odd, constant_values=NODATA) if values.shape[1] % 2 or values.shape[2] % 2 else values
    judged = values != NODATA
    if judged.all():
        return ((_fours(values) + 2) >> 2).astype(np.uint8)
    number = _fours(judged)
    sums = _fours(np.where(judged, values, np.uint8(0)))
    means = (sums + number // 2) // np.maximum(number, 1)
    return np.where(number > 0, means, NODATA).astype(np.uint8)


def _fours(values: NDArray[Any]) -> NDArray[np.uint16]:
    pairs = values[:, ::2].astype(np.uint16)
    pairs += values[:, 1::2]
    fours: NDArray[np.uint16] = pairs[:, :, ::2] + pairs[:, :, 1::2]
    return fours
