"""Squares of cells in place of cells, so that the outlines of a very large map can be drawn, and opened, at all.

A square shows what at least half of its cells show. Up to 25 million cells, a square is a cell.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.maps.grid import MapGrid
from components.maps.output.cells import NO, NOT_SURE, YES, CellBlock

_MOST_SQUARES = 25_000_000  # 5,000 x 5,000


def side_of_squares(grid: MapGrid) -> int:
    """Returns how many cells the side of a square has."""
    return max(1, math.ceil(math.sqrt(grid.columns * grid.rows / _MOST_SQUARES)))


@dataclasses.dataclass
class Squares:
    """Takes blocks of a map and gives back blocks of whole rows of squares.

    Attributes:
      side: Of a square, cells.
    """

    side: int

    def __post_init__(self) -> None:
        self._held: CellBlock | None = None

    def add(self, block: CellBlock) -> CellBlock | None:
        """Returns the squares that are complete by now; None if there are none."""
        if self.side == 1:
            return block
        block = _joined(self._held, block)
        whole = len(block.valid) // self.side * self.side
        self._held = _rows(block, whole, len(block.valid))
        return self._of(_rows(block, 0, whole)) if whole else None

    def finish(self) -> CellBlock | None:
        """Returns the last row of squares, if the map ends within it."""
        return self._of(self._held) if self._held is not None and len(self._held.valid) else None

    def _of(self, block: CellBlock) -> CellBlock:
        cells = self._summed(np.ones(block.valid.shape, np.uint8))
        steps = np.empty((len(block.steps), *cells.shape), np.uint16)
        answers = np.zeros(steps.shape, np.uint8)
        for c, plane in enumerate(block.answers):
            answers[c][2 * self._summed(plane != NO) >= cells] = NOT_SURE
            answers[c][2 * self._summed(plane == YES) >= cells] = YES
            steps[c] = self._summed(block.steps[c]) // cells
        return CellBlock(steps, answers, np.ones(cells.shape, np.bool_))

    def _summed(self, values: NDArray[Any]) -> NDArray[np.uint32]:
        """Returns sums over squares, [r / side, columns / side]; those at the edges may have fewer cells."""
        return _folded(_folded(values, self.side).T, self.side).T


def _folded(values: NDArray[Any], side: int) -> NDArray[np.uint32]:
    """Returns the sums of `side` neighbours along the first axis."""
    sums = values[::side].astype(np.uint32)
    for offset in range(1, side):
        more = values[offset::side]
        sums[: len(more)] += more
    return sums


def _joined(one: CellBlock | None, other: CellBlock) -> CellBlock:
    if one is None:
        return other
    return CellBlock(
        np.concatenate([one.steps, other.steps], axis=1),
        np.concatenate([one.answers, other.answers], axis=1),
        np.concatenate([one.valid, other.valid]),
    )


def _rows(block: CellBlock, first: int, end: int) -> CellBlock:
    return CellBlock(block.steps[:, first:end], block.answers[:, first:end], block.valid[first:end])
