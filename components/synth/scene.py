"""A field while it is being drawn: its geometry, and the layers that patterns are painted on.

Lengths are given in tile sides ("0.3 of a tile") or in px at 512 px tiles, and scale with the tile
size, so that a 128 px tile looks like a 512 px tile seen from higher up.
"""

import dataclasses

import numpy as np

from components.agrivision import BANDS
from components.synth.shapes import BoolArray, Box, FloatArray, Profile, box_around


@dataclasses.dataclass
class Scene:
    """A field while it is being drawn; patterns change `bands`, `grain` and `shade`.

    Attributes:
      rng: The field's own random numbers.
      tile_px: Side of a tile, in px.
      size_px: Side of the field's square raster S, in px.
      row_px: Distance between two rows, in px.
      half_u, half_v: Half the field's extent across and along its rows, in px.
      cos, sin: Cosine and sine of the angle from the raster's x axis to the direction across the rows.
      u, v: Position across and along the rows, from the field's centre, in px, [S, S].
      profile: Tabulates functions of u or v.
      row_table: Canopy cover in 0..1 across the rows, a table of `profile`.
      bands: Reflectance in 0..1 of red, green, blue, NIR, [4, S, S].
      soil, leaf: Reflectance of the field's bare soil and of its healthy canopy, [4].
      grain: Strength of the fine texture, about 1 on crop and 0 on water, [S, S].
      shade: Factor on all bands for light that clouds take away, in 0..1, [S, S].
      boundary: True inside the field, [S, S].
    """

    rng: np.random.Generator
    tile_px: int
    size_px: int
    row_px: float
    half_u: float
    half_v: float
    cos: float
    sin: float
    u: FloatArray
    v: FloatArray
    profile: Profile
    row_table: FloatArray
    bands: FloatArray
    soil: FloatArray
    leaf: FloatArray
    grain: FloatArray
    shade: FloatArray
    boundary: BoolArray

    def raster_xy(self, u: float, v: float) -> tuple[float, float]:
        """Returns the raster position (x, y), in px, of the field position (u, v)."""
        centre = self.size_px / 2
        return centre + u * self.cos - v * self.sin, centre + u * self.sin + v * self.cos

    def around(self, anchor: tuple[float, float], radius: float) -> tuple[Box, FloatArray, FloatArray]:
        """Returns the box of half-side `radius` around the anchor and the offsets (u, v) from it, [H, W]."""
        box = box_around(*self.raster_xy(*anchor), radius, self.size_px)
        return box, self.u[box.slices] - np.float32(anchor[0]), self.v[box.slices] - np.float32(anchor[1])

    def whole(self) -> Box:
        """Returns the box of the whole raster."""
        return Box(0, 0, self.size_px, self.size_px)

    def rows(self, box: Box) -> FloatArray:
        """Returns the canopy cover that the rows of the healthy crop have in `box`, in 0..1, [H, W]."""
        return self.profile.look_up(self.row_table, self.u[box.slices])

    def between_rows(self, middle: float, num_rows: int) -> float:
        """Returns the `u` nearest to `middle` around which `num_rows` whole rows lie, as in a machine's pass."""
        half_width = num_rows * self.row_px / 2
        return round((middle - half_width) / self.row_px) * self.row_px + half_width

    def label(self, box: Box, inside: BoolArray) -> BoolArray:
        """Returns the label [S, S] of a pattern that covers `inside` [H, W] of `box`."""
        label = np.zeros((self.size_px, self.size_px), np.bool_)
        label[box.slices] = inside
        return label

    def paint(self, box: Box, alpha: FloatArray, ground: FloatArray, leaf: FloatArray, cover: FloatArray) -> FloatArray:
        """Covers the box with a canopy of `leaf` [4] on `ground` [4], where `alpha` is not 0 and inside the boundary.

        Args:
          box: Where to paint.
          alpha: How much of what was there is hidden, 0..1, [H, W].
          ground: Reflectance between the plants.
          leaf: Reflectance of the plants.
          cover: How much of the ground the plants cover, 0..1, [H, W] or [].

        Returns:
          `alpha`, with 0 outside the boundary.
        """
        alpha = alpha * self.boundary[box.slices]
        for band in range(len(BANDS)):
            target = ground[band] + cover * (leaf[band] - ground[band])
            layer = self.bands[band][box.slices]
            layer += alpha * (target - layer)
        return alpha
