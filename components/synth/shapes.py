"""Random shapes on a field: smooth noise, blobs, strips along rows, winding bands.

Large arrays are computed with + - * and table look-ups alone, never sin or exp, which round differently
from one processor to the next: a dataset should be the same everywhere.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_TABLE_STEPS_PER_PX = 4  # resolution of the 1-D tables


@dataclasses.dataclass(frozen=True)
class Box:
    """A rectangle of the field's raster, in px; bottom and right are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, in px."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """The slices that cut the box out of an array [S, S]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def box_around(x: float, y: float, radius: float, size_px: int) -> Box:
    """Returns the square of half-side `radius` around (x, y), clipped to a raster of `size_px` squared."""
    low_y, high_y = (int(np.clip(y + sign * radius, 0, size_px)) for sign in (-1, 1))
    low_x, high_x = (int(np.clip(x + sign * radius, 0, size_px)) for sign in (-1, 1))
    return Box(min(low_y, size_px - 1), min(low_x, size_px - 1), max(high_y, 1), max(high_x, 1))


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell_px: float) -> FloatArray:
    """Returns noise [H, W] of mean 0 and standard deviation of about 0.7 that varies over `cell_px` pixels."""
    grid_shape = [max(2, round(side / cell_px) + 1) for side in shape]
    grid = rng.standard_normal(grid_shape, dtype=np.float32)
    image = Image.fromarray(grid).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


class Profile:
    """Tabulates functions of one coordinate, so that one look-up evaluates them on a whole raster.

    Attributes:
      positions: Where the table has its entries, in px from the field's centre, float64 [N].
    """

    def __init__(self, extent_px: float) -> None:
        self._offset = extent_px
        num_entries = int(2 * extent_px * _TABLE_STEPS_PER_PX) + 2
        self.positions = np.arange(num_entries) / _TABLE_STEPS_PER_PX - extent_px

    def smooth_noise(self, rng: np.random.Generator, cell_px: float) -> FloatArray:
        """Returns a table [N] of noise of mean 0, interpolated linearly between knots `cell_px` apart."""
        cell = cell_px * _TABLE_STEPS_PER_PX
        knots = rng.standard_normal(max(2, int(len(self.positions) / cell) + 2))
        return np.interp(np.arange(len(self.positions)) / cell, np.arange(len(knots)), knots).astype(np.float32)

    def look_up(self, table: FloatArray, coordinate: FloatArray) -> FloatArray:
        """Returns the entries of `table` [N] at `coordinate`, [H, W], in px from the field's centre."""
        index = ((coordinate + np.float32(self._offset)) * np.float32(_TABLE_STEPS_PER_PX)).astype(np.int32)
        return np.take(table, index, mode="clip")


def soft_step(value: FloatArray, width: float) -> FloatArray:
    """Returns an alpha in [0, 1] that rises from 0 to 1 while `value` goes from -width to +width."""
    alpha: FloatArray = np.clip(value * np.float32(0.5 / width) + np.float32(0.5), 0.0, 1.0)
    return alpha


def blob(
    rng: np.random.Generator, u: FloatArray, v: FloatArray, radius_u: float, radius_v: float, raggedness: float
) -> FloatArray:
    """Returns how far each pixel lies inside a ragged ellipse: 1 at its middle, 0 on its edge, [H, W].

    Args:
      rng: Source of the ragged edge.
      u, v: Distance to the blob's centre across and along the rows, in px, [H, W].
      radius_u, radius_v: Half axes, in px.
      raggedness: 0 for an ellipse; 0.5 for an amoeba.
    """
    scaled_u, scaled_v = u * np.float32(1.0 / radius_u), v * np.float32(1.0 / radius_v)
    noise = smooth_noise(rng, (u.shape[0], u.shape[1]), 0.45 * min(radius_u, radius_v))
    distance = np.sqrt(scaled_u * scaled_u + scaled_v * scaled_v)
    depth: FloatArray = np.float32(1.0) - distance + np.float32(raggedness) * noise
    return depth


def strip(
    rng: np.random.Generator, u: FloatArray, v: FloatArray, half_width: float, half_length: float, ragged_px: float
) -> FloatArray:
    """Returns how far inside a strip along the rows each pixel lies, in px, negative outside, [H, W].

    Its sides are straight, as a machine leaves them; its ends are ragged by about `ragged_px`.
    """
    ends = np.float32(half_length) - np.abs(v)
    if ragged_px > 0.0:
        ends = ends + np.float32(ragged_px) * smooth_noise(rng, (u.shape[0], u.shape[1]), 2.0 * ragged_px + 4.0)
    return np.minimum(np.float32(half_width) - np.abs(u), ends)
