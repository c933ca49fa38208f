"""A map made small: which share of each pixel of the preview shows a class, or may show it; and areas, exactly."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.maps.output.cells import NOT_SURE, YES, CellBlock
from components.maps.output.frame import Frame

Shares: TypeAlias = NDArray[np.float32]


class Preview:
    """Takes a map from the top to the bottom; holds as many numbers as the preview has pixels, for each class."""

    def __init__(self, num_classes: int, frame: Frame, size: tuple[int, int]) -> None:
        """Begins above the first row.

        Args:
          num_classes: Of the map.
          frame: Of the map.
          size: Height and width of the preview, pixels.
        """
        self._frame, self._size, self._row = frame, size, 0
        rows, columns = len(frame.row_area), frame.columns
        # Where cells are larger than pixels, each is counted once, and drawn over several.
        self._row_starts = _starts(frame.height, rows, size[0])
        self._column_starts = _starts(frame.width, columns, size[1])
        shape = num_classes, len(self._row_starts), len(self._column_starts)
        self._counts = {answer: np.zeros(shape, np.uint32) for answer in (YES, NOT_SURE)}
        self._cells = np.zeros(shape[1:], np.uint32)
        self.areas = {answer: np.zeros(num_classes) for answer in self._counts}  # of each class with an answer
        self.judged_area = 0.0  # of valid cells
        self.found_area = 0.0  # of those of them that show at least one class
        self.open_area = 0.0  # of those that show none, but about which the model is not sure

    def add(self, block: CellBlock) -> None:
        """Takes the next rows."""
        num_rows = len(block.valid)
        row_area = self._frame.row_area[self._row : self._row + num_rows]
        is_found = (block.answers == YES).any(axis=0)
        is_open = (block.answers == NOT_SURE).any(axis=0) & ~is_found
        self.judged_area += self._area(block.valid, row_area)
        self.found_area += self._area(is_found, row_area)
        self.open_area += self._area(is_open, row_area)
        bins = np.searchsorted(self._row_starts, np.arange(self._row, self._row + num_rows), side="right") - 1
        at, starts = np.unique(bins, return_index=True)
        self._cells[at] += self._summed(np.ones_like(block.valid), starts)
        for answer, counts in self._counts.items():
            for c, plane in enumerate(block.answers):
                is_it = plane == answer
                if is_it.any():
                    counts[c, at] += self._summed(is_it, starts)
                    self.areas[answer][c] += self._area(is_it, row_area)
        self._row += num_rows

    def shares(self, class_number: int, answer: int) -> Shares:
        """Returns the share of each pixel's cells that have an answer, float32 [height, width]."""
        share = (self._counts[answer][class_number] / self._cells).astype(np.float32)
        rows = _drawn_by(self._frame.height, self._size[0], len(self._row_starts))
        columns = _drawn_by(self._frame.width, self._size[1], len(self._column_starts))
        drawn: Shares = share[np.ix_(rows, columns)]
        return drawn

    def _area(self, cells: NDArray[np.bool_], row_area: NDArray[np.float64]) -> float:
        beyond = self._frame.columns - self._frame.width  # of the last column
        return float((cells.sum(axis=1) - beyond * cells[:, -1]) @ row_area)

    def _summed(self, cells: NDArray[np.bool_], row_starts: NDArray[np.int64]) -> NDArray[np.uint32]:
        by_column: NDArray[np.uint32] = np.add.reduceat(cells, self._column_starts, axis=1, dtype=np.uint32)
        summed: NDArray[np.uint32] = np.add.reduceat(by_column, row_starts, axis=0)
        return summed


def _starts(extent: float, num_cells: int, num_pixels: int) -> NDArray[np.int64]:
    """Returns the first cell of each bin: of a pixel, or of a cell where there are fewer of them."""
    if num_cells <= num_pixels:
        return np.arange(num_cells)
    return (np.arange(num_pixels, dtype=np.float64) * (extent / num_pixels)).astype(np.int64)


def _drawn_by(extent: float, num_pixels: int, num_bins: int) -> NDArray[np.int64]:
    """Returns the bin that each pixel shows."""
    if num_bins == num_pixels:
        return np.arange(num_pixels)
    at = ((np.arange(num_pixels, dtype=np.float64) + 0.5) * (extent / num_pixels)).astype(np.int64)
    clipped: NDArray[np.int64] = np.clip(at, 0, num_bins - 1)
    return clipped
