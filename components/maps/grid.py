"""What a finished map is: the document `map.json` that describes it, and how its values are read, strip by strip.

A map is a grid of square cells over its source. Its working folder holds what the model said of each window
(window_part.py); the values of the cells are blended from that whenever they are read (blending.py), so that a map of
any size takes little room and no memory. Whoever writes a map as files needs MapReader, and nothing else of this room.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.contracts import FORMAT_VERSION, Document
from components.contracts.calibration import Probability
from components.contracts.names import PathPart, Sha256

MAP = "map.json"
QUICKLOOK = "quicklook.npz"
QUICKLOOK_PX = 1024  # the longest side of the preview, at most

# a, b, c, d, e, f as rasterio's Affine has them: x = a * column + b * row + c, y = d * column + e * row + f
Transform: TypeAlias = tuple[float, float, float, float, float, float]


class MapPart(msgspec.Struct, frozen=True, kw_only=True):
    """One file of answers in the working folder; see window_part.py.

    Attributes:
      top_px: The row of the source at which its first window starts; parts are in ascending order of it.
    """

    name: PathPart
    sha256: Sha256
    top_px: int


class MapGrid(Document, frozen=True, kw_only=True):
    """`map.json`: a finished map. It is written last; without it, the map is not finished.

    Attributes:
      name: What the map is of, printable: the file's name without its ending, or the field's.
      source_uri: Where the source is.
      fingerprint: Of the source: another one means that it has changed.
      width_px, height_px: Of the source, pixels.
      origin_px: The place of the source's first pixel (x, y) in the coordinates of its tiles' names; 0, 0 for a raster.
      cell_px: Side of a cell, pixels of the source; 1 for a model with a dense head.
      columns, rows: Of the grid; the last cell may reach beyond the source.
      window_px: Side of the windows that the model was asked about.
      stride_px: Distance of windows; 0 for tiles, which lie anywhere.
      transform: From columns and rows of the source's pixels to coordinates; None without a georeference.
      crs_wkt: The coordinates' reference system, as WKT; empty if it is unknown.
      nodata_px: Number of pixels that do not count.
      classes: The model's, in the order of the values.
      thresholds: The lowest probability at which a cell shows a class, by class; None if the most probable one counts.
      no_below: The probability below which a class is ruled out, by class; in between the model is "not sure". None if
        it never is.
      is_dense: Whether the values come from a head that says where; else each window has one answer for all its cells.
      model_version, model_uri: The model that was asked.
      num_windows, num_asked: Windows, and those of them with a pixel that counts, which alone were asked about.
      num_left_out: Tiles that could not be used.
      first_left_out: Which, of the first, and why; empty if there is none.
      parts: The files of answers.
      quicklook_sha256: Of the preview beside them.
    """

    format_version: int = FORMAT_VERSION
    name: str
    source_uri: str
    fingerprint: Sha256
    width_px: int
    height_px: int
    origin_px: tuple[int, int] = (0, 0)
    cell_px: int
    columns: int
    rows: int
    window_px: int
    stride_px: int = 0
    transform: Transform | None = None
    crs_wkt: str = ""
    nodata_px: int = 0
    classes: tuple[str, ...]
    thresholds: tuple[Probability, ...] | None
    no_below: tuple[Probability, ...] | None = None
    is_dense: bool = False
    model_version: PathPart
    model_uri: str
    num_windows: int
    num_asked: int
    num_left_out: int = 0
    first_left_out: str = ""
    parts: tuple[MapPart, ...]
    quicklook_sha256: Sha256

    @property
    def cell_transform(self) -> Transform | None:
        """From columns and rows of the grid to coordinates; None without a georeference."""
        if self.transform is None:
            return None
        a, b, c, d, e, f = self.transform
        return a * self.cell_px, b * self.cell_px, c, d * self.cell_px, e * self.cell_px, f


class Strip(NamedTuple):
    """Some rows of a map.

    Attributes:
      first_row: Of the grid.
      probabilities: float32 [r, columns, C], 0..1; 0 where `valid` is False.
      valid: bool [r, columns], whether any pixel of the cell counts and the model was asked about it.
    """

    first_row: int
    probabilities: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Quicklook:
    """A preview of the source, h and w at most QUICKLOOK_PX, each pixel one of the source's.

    Attributes:
      rgb: uint8 [h, w, 3].
      ndvi: float32 [h, w], -1..1; None if the source has no near infrared.
      valid: bool [h, w].
    """

    rgb: NDArray[np.uint8]
    ndvi: NDArray[np.float32] | None
    valid: NDArray[np.bool_]


class MapReader:
    """A finished map, to be read as often as needed.

    Args:
      grid: What it is.
      strips: Returns an iterator over its strips, from the top to the bottom without a gap; see `strips`.
      quicklook: Returns the preview.
    """

    def __init__(
        self, grid: MapGrid, strips: Callable[[], Iterator[Strip]], quicklook: Callable[[], Quicklook]
    ) -> None:
        self.grid = grid
        self._strips, self._quicklook = strips, quicklook

    def strips(self) -> Iterator[Strip]:
        """Yields the map's strips from the top to the bottom; each row is in exactly one of them.

        A strip has as few rows as keep it below some 16 MB, at least one. Values are blended while this goes on, which
        for a dense map of 20,000 x 20,000 px takes minutes: read it once, not twice, where that is possible.

        Raises:
          DataError: if a part is missing, or not as it was when the map was finished.
        """
        return self._strips()

    @property
    def quicklook(self) -> Quicklook:
        """The preview.

        Raises:
          DataError: if it is missing, or not as it was when the map was finished.
        """
        return self._quicklook()
