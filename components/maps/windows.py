"""Where windows lie on a source, and which cells of the grid each of them answers for."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.errors import SettingsError

CELLS_A_WINDOW = 8  # along a side, of a model that has one answer for a window
SMALLEST_PX, LARGEST_PX = 32, 4096  # of a window's side


@dataclasses.dataclass(frozen=True)
class Axis:
    """Rows or columns: `num_px` pixels of a source in cells of `cell_px`, the last of which may reach beyond it."""

    num_px: int
    cell_px: int

    @property
    def num_cells(self) -> int:
        """The number of cells."""
        return -(-self.num_px // self.cell_px)

    def centre(self, cell: int) -> int:
        """Returns the pixel in the middle of a cell, or of the part of it that lies on the source."""
        return (cell * self.cell_px + min((cell + 1) * self.cell_px, self.num_px)) // 2

    def first_from(self, px: int) -> int:
        """Returns the first cell whose centre is at `px` or behind; the number of cells if there is none."""
        cell = max(-(-(px - self.cell_px // 2) // self.cell_px), 0)
        # The last cell may be narrower, and its centre then lies before that of a whole one.
        return cell if cell < self.num_cells and self.centre(cell) >= px else self.num_cells

    def cells(self, start_px: int, num_px: int) -> range:
        """Returns the cells whose centres lie in a window."""
        return range(self.first_from(start_px), self.first_from(start_px + num_px))

    def centres(self, cells: range) -> NDArray[np.int64]:
        """Returns the centres of cells."""
        ends = np.minimum((np.asarray(cells, np.int64) + 1) * self.cell_px, self.num_px)
        return (np.asarray(cells, np.int64) * self.cell_px + ends) // 2


def starts(num_px: int, window_px: int, stride_px: int) -> tuple[int, ...]:
    """Returns where windows start along a side; the last one is moved inwards so as to end with the source."""
    if num_px <= window_px:
        return (0,)
    return (*range(0, num_px - window_px, stride_px), num_px - window_px)


def stride_of(window_px: int, overlap: float) -> int:
    """Returns the distance of windows, a whole number of cells.

    Raises:
      SettingsError: if the window or the overlap is not one that can be worked with.
    """
    if not SMALLEST_PX <= window_px <= LARGEST_PX or window_px % CELLS_A_WINDOW:
        raise SettingsError(
            f"--window-px must be a multiple of {CELLS_A_WINDOW} in {SMALLEST_PX}..{LARGEST_PX}, got {window_px}"
        )
    if not 0 <= overlap <= 1 - 1 / CELLS_A_WINDOW:
        raise SettingsError(f"--overlap must be in 0..{1 - 1 / CELLS_A_WINDOW}, got {overlap}")
    cell_px = window_px // CELLS_A_WINDOW
    return max(round(window_px * (1 - overlap) / cell_px), 1) * cell_px


def hann(places: NDArray[np.int64], window_px: int) -> NDArray[np.float64]:
    """Returns the weights of pixels in a window, 0..1: 1 in the middle, small at the ends and never zero."""
    weights: NDArray[np.float64] = np.sin(np.pi * (places + 0.5) / window_px) ** 2
    return weights


@functools.lru_cache(maxsize=64)
def enlarging(window_px: int, num_places: int) -> NDArray[np.float64]:
    """Returns what scales `num_places` values to the pixels of a window, bilinearly, [window_px, num_places].

    Places and pixels have their values in their middles; beyond the middle of the outermost place, its value stays.
    """
    at = np.clip((np.arange(window_px) + 0.5) * num_places / window_px - 0.5, 0, num_places - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, num_places - 1)
    matrix = np.zeros((window_px, num_places))
    rows = np.arange(window_px)
    np.add.at(matrix, (rows, low), 1 - (at - low))
    np.add.at(matrix, (rows, high), at - low)
    return matrix


def valid_cells(
    valid: NDArray[np.uint8], place: tuple[int, int], axes: Sequence[Axis], window_px: int
) -> NDArray[np.bool_]:
    """Returns which cells of a window have a pixel that counts.

    Args:
      valid: Of the window, uint8 [window_px, window_px], not 0 where a pixel counts; 0 beyond the source.
      place: The row and column of its first pixel.
      axes: The rows and columns of the source.

    Returns:
      bool [r, c], of the cells whose centres lie in the window; only pixels inside the window count.
    """
    for number, (axis, start) in enumerate(zip(axes, place, strict=True)):
        cells = axis.cells(start, window_px)
        if axis.cell_px == 1:
            valid = valid.take(range(len(cells)), number) if len(cells) < valid.shape[number] else valid
            continue
        first = [max(cell * axis.cell_px, start) - start for cell in cells]
        end = min(cells.stop * axis.cell_px - start, window_px)
        some = valid[:end] if number == 0 else valid[:, :end]
        valid = np.maximum.reduceat(some, first, axis=number)
    return valid > 0
