"""Finds the regions of one class from top to bottom, a strip at a time, each as a whole however many strips it crosses.

A region is a set of cells with the same answer that touch by their sides. What is kept is the last row, and the sums
and corners of those regions that reach it; a region that does not is finished. So memory grows with the width of a map
and with the outlines that are still open, not with its area. All work on cells is done by arrays: runs of equal cells
in a row are the nodes of a graph, and runs that touch are its edges.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from components.maps.output.join_runs import smallest_connected

MOST_OPEN_CORNERS = 1_000_000  # of one class, 13 bytes each; a field's outlines have some thousands
# In which directions the two sides of an outline leave a corner.
RIGHT, DOWN = 1, 2


@dataclasses.dataclass(frozen=True)
class Corners:
    """Corners of outlines, at which one side is horizontal and one vertical; [K] each.

    Attributes:
      region: Which region it belongs to, int64.
      x: In cells from the left edge, int32.
      y: In cells from the top edge, int32.
      sides: RIGHT if the horizontal side leaves to the right, DOWN if the vertical one leaves downwards, uint8.
    """

    region: NDArray[np.int64]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    sides: NDArray[np.uint8]

    def where(self, chosen: NDArray[np.bool_], number: NDArray[np.int64]) -> "Corners":
        """Returns the chosen ones, with regions numbered anew by `number`."""
        return Corners(number[self.region[chosen]], self.x[chosen], self.y[chosen], self.sides[chosen])


@dataclasses.dataclass(frozen=True)
class Regions:
    """Regions of one class; [R] each, and their corners.

    Attributes:
      answer: The value of its cells, uint8.
      area: What its cells cover, float64.
      cells: The number of its cells, float64 (exact).
      total: The sum of the probabilities of its cells, in steps of 1 / 65,535, float64 (exact).
      highest: The highest of these probabilities, int64.
      first: Row and column of its first cell, as row << 32 | column, int64.
      outlined: False if it had too many corners to keep; then it has none.
      corners: The corners of all of them.
    """

    answer: NDArray[np.uint8]
    area: NDArray[np.float64]
    cells: NDArray[np.float64]
    total: NDArray[np.float64]
    highest: NDArray[np.int64]
    first: NDArray[np.int64]
    outlined: NDArray[np.bool_]
    corners: Corners

    def __len__(self) -> int:
        return len(self.answer)

    def where(self, chosen: NDArray[np.bool_]) -> "Regions":
        """Returns the chosen regions, numbered from 0 again."""
        number = np.cumsum(chosen) - 1
        corners = self.corners.where(chosen[self.corners.region], number)
        return Regions(
            answer=self.answer[chosen],
            area=self.area[chosen],
            cells=self.cells[chosen],
            total=self.total[chosen],
            highest=self.highest[chosen],
            first=self.first[chosen],
            outlined=self.outlined[chosen],
            corners=corners,
        )


def no_regions() -> Regions:
    """Returns none."""
    empty = np.zeros(0, np.int64)
    corners = Corners(empty, empty.astype(np.int32), empty.astype(np.int32), empty.astype(np.uint8))
    real = np.zeros(0)
    return Regions(empty.astype(np.uint8), real, real, real, empty, empty, empty.astype(np.bool_), corners)


class RegionSweep:
    """Takes the strips of one class from top to bottom and gives back the regions that are finished."""

    def __init__(
        self, columns: int, width: float, row_area: NDArray[np.float64], most_open_corners: int = MOST_OPEN_CORNERS
    ) -> None:
        """Begins above the first row.

        Args:
          columns: Cells in a row.
          width: The width of the map in cells; a fraction less than `columns` if the last column is cut off.
          row_area: The area of a whole cell of each row, [rows].
          most_open_corners: Beyond these, regions with the most corners lose their outlines.
        """
        self._columns, self._width, self._row_area, self._most = columns, width, row_area, most_open_corners
        self._row = 0
        self._last = np.zeros((1, columns), np.uint8)
        self._last_region = np.full(1, -1, np.int64)  # of each run of the last row; -1 where there is none
        self._open = no_regions()

    def add(self, plane: NDArray[np.uint8], steps: NDArray[np.uint16]) -> Regions:
        """Returns the regions that end before the strip's last row.

        Args:
          plane: The answer of each cell, 0 where there is no region, [rows, columns].
          steps: Its probability in steps of 1 / 65,535, [rows, columns].
        """
        if not len(self._open) and not plane.any():
            self._row += len(plane)
            self._last, self._last_region = plane[-1:].copy(), np.full(1, -1, np.int64)
            return no_regions()
        cells = np.concatenate([self._last, plane])  # row 0 was in the last strip
        starts, values = _runs(cells)
        region, num_regions = self._regions_of(cells, starts, values)
        found = self._sums(starts, values, steps, region, num_regions)
        reaches = np.zeros(num_regions, np.bool_)
        last_runs = region[: len(starts)][starts >= plane.size]  # plane.size is where the last of rows + 1 rows starts
        reaches[last_runs[last_runs >= 0]] = True
        corners = _corners(cells, starts, region[: len(starts)], self._row)
        of_open = region[len(starts) :]
        outlined = found.outlined
        fresh = corners.where(outlined[corners.region], np.arange(num_regions))
        held = self._open.corners
        held = held.where(outlined[of_open[held.region]], of_open) if len(held.region) else held
        found = dataclasses.replace(found, corners=_both(held, fresh))
        self._open = self._without_the_largest(found.where(reaches))
        number = np.append(np.cumsum(reaches) - 1, -1)  # -1 stays -1
        self._last_region = number[last_runs]
        self._last = plane[-1:].copy()
        self._row += len(plane)
        return found.where(~reaches)

    def finish(self) -> Regions:
        """Returns the regions that reach the last row."""
        finished = self.add(np.zeros((1, self._columns), np.uint8), np.zeros((1, self._columns), np.uint16))
        self._row -= 1
        return finished

    def _regions_of(
        self, cells: NDArray[np.uint8], starts: NDArray[np.int64], values: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], int]:
        """Returns the region of each run, then of each region that was open (-1 where no answer is), and their number.

        Two runs touch if the first cell of one of them lies above or below a cell of the other.
        """
        flat, columns = cells.ravel(), self._columns
        runs = np.flatnonzero(values)
        edges = []
        for offset in (-columns, columns):
            place = starts[runs] + offset
            inside = (place >= 0) & (place < flat.size)
            run, place = runs[inside], place[inside]
            same = flat[place] == values[run]
            edges.append((run[same], _run_at(starts, place[same])))
        first = np.flatnonzero(self._last_region >= 0)  # the runs of row 0 are those of the last strip's last row
        edges.append((first, len(starts) + self._last_region[first]))
        num_nodes = len(starts) + len(self._open)
        root = smallest_connected(num_nodes, *(np.concatenate(ends) for ends in zip(*edges, strict=True)))
        is_region = np.concatenate([values > 0, np.ones(len(self._open), np.bool_)])
        region = np.full(num_nodes, -1, np.int64)
        names, region[is_region] = np.unique(root[is_region], return_inverse=True)
        return region, len(names)

    def _sums(
        self,
        starts: NDArray[np.int64],
        values: NDArray[np.uint8],
        steps: NDArray[np.uint16],
        region: NDArray[np.int64],
        num_regions: int,
    ) -> Regions:
        """Returns what the regions hold by now, still without corners."""
        columns, num_runs = self._columns, len(starts)
        new = np.flatnonzero((starts >= columns) & (values > 0))
        row, left = np.divmod(starts[new], columns)
        right = np.append(starts, steps.size + columns)[new + 1] - row * columns
        weight = self._row_area[np.minimum(self._row + row - 1, len(self._row_area) - 1)]
        area = (np.minimum(right, self._width) - left) * weight
        offsets = starts[starts >= columns] - columns
        flat, skipped = steps.ravel(), num_runs - len(offsets)
        total = np.add.reduceat(flat, offsets, dtype=np.int64)[new - skipped]
        highest = np.maximum.reduceat(flat, offsets)[new - skipped].astype(np.int64)
        first = (self._row + row - 1) << 32 | left
        # A region consists of the runs of this strip and of regions that were open.
        of_open, old = region[num_runs:], self._open
        of = np.concatenate([of_open, region[new]])

        def summed(before: NDArray[np.float64], more: NDArray[np.generic]) -> NDArray[np.float64]:
            return np.bincount(of, np.concatenate([before, more]), num_regions).astype(np.float64)

        most, least = np.zeros(num_regions, np.int64), np.full(num_regions, np.iinfo(np.int64).max)
        np.maximum.at(most, of, np.concatenate([old.highest, highest]))
        np.minimum.at(least, of, np.concatenate([old.first, first]))
        answer, outlined = np.zeros(num_regions, np.uint8), np.ones(num_regions, np.bool_)
        answer[of] = np.concatenate([old.answer, values[new]])
        outlined[of_open[~old.outlined]] = False
        return Regions(
            answer=answer,
            area=summed(old.area, area),
            cells=summed(old.cells, right - left),
            total=summed(old.total, total),
            highest=most,
            first=least,
            outlined=outlined,
            corners=no_regions().corners,
        )

    def _without_the_largest(self, regions: Regions) -> Regions:
        """Returns open regions whose corners are few enough to keep; those that have the most of them lose theirs."""
        if len(regions.corners.region) <= self._most:
            return regions
        counts = np.bincount(regions.corners.region, minlength=len(regions))
        ascending = np.argsort(counts, kind="stable")
        kept = np.zeros(len(regions), np.bool_)
        kept[ascending[np.cumsum(counts[ascending]) <= self._most // 2]] = True
        outlined = regions.outlined & kept
        corners = regions.corners.where(kept[regions.corners.region], np.arange(len(regions)))
        return dataclasses.replace(regions, outlined=outlined, corners=corners)


def _runs(cells: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Returns where runs of equal cells start, as places in the flat array, and their values; rows are apart."""
    begins = np.ones(cells.shape, np.bool_)
    np.not_equal(cells[:, 1:], cells[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    return starts, cells.ravel()[starts]


def _run_at(starts: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the run that each place of the flat array is in."""
    return np.searchsorted(starts, places, side="right") - 1


def _both(one: Corners, other: Corners) -> Corners:
    return Corners(*(np.concatenate([getattr(each, f.name) for each in (one, other)]) for f in dataclasses.fields(one)))


def _corners(cells: NDArray[np.uint8], starts: NDArray[np.int64], region: NDArray[np.int64], first_row: int) -> Corners:
    """Returns the corners between the rows of a strip.

    Of the four cells around a corner of a region, one is in it (the corner points outwards), or three are (inwards), or
    two that touch by this corner only, which makes two corners. The sides leave towards the cell that differs.

    Args:
      cells: The strip below the last row of the one before, [rows + 1, columns].
      starts: Where runs start.
      region: The region of each run, -1 for none.
      first_row: The row of the map that cells[1] is.
    """
    columns = cells.shape[1]
    padded = np.pad(cells, ((0, 0), (1, 1)))
    above, below = padded[:-1], padded[1:]
    horizontal = above != below  # [rows, columns + 2]: a side of an outline runs below the upper cell
    side = horizontal[:, 1:] | horizontal[:, :-1]
    side &= (above[:, 1:] != above[:, :-1]) | (below[:, 1:] != below[:, :-1])
    row, x = np.divmod(np.flatnonzero(side), columns + 1)

    def region_at(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.int64]:
        inside = (column >= 0) & (column < columns)
        found = np.full(len(row), -1, np.int64)
        found[inside] = region[_run_at(starts, row[inside] * columns + column[inside])]
        return found

    around = {  # by the direction from the corner to the cell
        0: region_at(row, x - 1),
        RIGHT: region_at(row, x),
        DOWN: region_at(row + 1, x - 1),
        RIGHT | DOWN: region_at(row + 1, x),
    }
    parts = []
    for towards, odd in around.items():
        beside, over, opposite = around[towards ^ RIGHT], around[towards ^ DOWN], around[towards ^ (RIGHT | DOWN)]
        outwards = (odd >= 0) & (beside != odd) & (over != odd)
        inwards = (beside >= 0) & (beside == over) & (beside == opposite) & (odd != beside)
        for chosen, of in ((outwards, odd), (inwards, beside)):
            x_y = x[chosen].astype(np.int32), (first_row + row[chosen]).astype(np.int32)
            parts.append((of[chosen], *x_y, np.full(len(x_y[0]), towards, np.uint8)))
    return Corners(*(np.concatenate(column) for column in zip(*parts, strict=True)))
