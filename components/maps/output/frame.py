"""Where a map lies: the coordinates of its cells, and what a cell covers on the ground.

There are three cases. With a reference system that PROJ knows, places are longitude and latitude, and areas square
metres. With a georeference but no such system, both are in the raster's own units. Without a georeference, they are in
pixels of the source. What a source claims is not trusted: where it makes no sense, the next case is taken, and `notes`
say so.
"""

import dataclasses
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.maps.grid import MapGrid, Transform
from components.maps.output.gdal_here import gdal

SQUARE_METRES, OWN_UNITS, PIXELS = "m2", "units2", "px2"
_LONGITUDE_LATITUDE, _EQUAL_AREA = "EPSG:4326", "EPSG:6933"  # the latter: EASE-Grid 2.0, cylindrical, on the ellipsoid
_MOST_WKT = 100_000  # characters
# PROJ opens grids that a description names: anything that whoever made the source likes, a pipe as well.
_NAMES_A_FILE = re.compile(r"""["'=,@]\s*(?:\.{0,2}[/\\]|~|[A-Za-z]:[/\\]|[a-z]+://)""")
_BANDS_OF_ROWS = 256  # for which the ground area of a cell is found
_IDENTITIES = ((1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0))  # what GDAL has where a file says nothing
_MOST_STRETCH = 0.01  # of areas by a projection, before the ground is measured instead


@dataclasses.dataclass(frozen=True)
class Frame:
    """Where the cells of a map are.

    Attributes:
      unit: Of areas: SQUARE_METRES, OWN_UNITS or PIXELS.
      transform: From columns and rows of cells to the raster's coordinates, or to pixels.
      crs: The raster's reference system as WKT; empty if it is unknown.
      is_lonlat: Whether `points` returns longitude and latitude.
      width, height: In cells; with a fraction if the last cell reaches beyond the source.
      row_area: What a whole cell of each row covers, float64 [rows]; less for a last row that is cut off.
      how_measured: How areas were found, as a sentence.
      notes: What was wrong with the georeference, as sentences.
    """

    unit: str
    transform: Transform
    crs: str
    is_lonlat: bool
    width: float
    height: float
    row_area: NDArray[np.float64]
    how_measured: str
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return math.ceil(self.width)

    @property
    def cell_m(self) -> float | None:
        """Side of a cell on the ground, metres; None if it is unknown."""
        return math.sqrt(float(self.row_area[0])) if self.unit == SQUARE_METRES else None

    def points(self, x: NDArray[np.number[Any]], y: NDArray[np.number[Any]]) -> NDArray[np.float64]:
        """Returns the places of corners of cells, float64 [K, 2], rounded to less than a twentieth of a cell.

        Args:
          x, y: Columns and rows from the top left corner of the map, [K]; those beyond the source are put to its edge.

        Raises:
          DataError: if PROJ cannot say where they are.
        """
        own = _at(self.transform, np.minimum(x, self.width), np.minimum(y, self.height))
        if self.is_lonlat:
            own = _lonlat(self.crs, own)
        return np.round(own, self.digits)

    @property
    def digits(self) -> int:
        """Decimals that places need."""
        a, b, _, d, e, _ = self.transform
        step = min(math.hypot(a, d), math.hypot(b, e))
        if self.is_lonlat and self.unit == SQUARE_METRES:
            step = (self.cell_m or 1.0) / 111_320  # metres of a degree of latitude
        return min(max(math.ceil(-math.log10(step / 10)), 0), 12)

    @property
    def keeps_clockwise(self) -> bool:
        """Whether what runs clockwise on the grid, seen with its rows downwards, does so with y upwards as well."""
        corners = self.points(np.array([0, self.width, self.width, 0]), np.array([0, 0, self.height, self.height]))
        x, y = (corners - corners[0]).T
        return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) < 0


def frame_of(grid: MapGrid) -> Frame:
    """Returns where a map lies.

    Raises:
      SettingsError: if the map has a reference system and rasterio is not installed.
    """
    size = grid.width_px / grid.cell_px, grid.height_px / grid.cell_px
    first = np.arange(grid.rows, dtype=np.float64)
    rows_within: NDArray[np.float64] = np.minimum(first + 1, size[1]) - first  # 1 but for the last
    in_pixels = Frame(
        unit=PIXELS,
        transform=(grid.cell_px, 0.0, 0.0, 0.0, grid.cell_px, 0.0),
        crs="",
        is_lonlat=False,
        width=size[0],
        height=size[1],
        row_area=rows_within * float(grid.cell_px) ** 2,
        how_measured="Areas are in square pixels of the source: it has no georeference.",
    )
    transform = grid.cell_transform
    if transform is None or grid.transform in _IDENTITIES:
        return in_pixels
    if fault := _fault_of(transform, size):
        note = f"The source's georeference {fault}, so the map is in pixels."
        return dataclasses.replace(in_pixels, notes=(note,))
    own = dataclasses.replace(
        in_pixels,
        unit=OWN_UNITS,
        transform=transform,
        row_area=rows_within * _determinant(transform),
        how_measured="Areas are in squares of the raster's own units, whose length is unknown.",
    )
    return _on_the_ground(own, grid.crs_wkt, rows_within)


def _on_the_ground(own: Frame, wkt: str, rows_within: NDArray[np.float64]) -> Frame:
    """Returns the frame with longitudes, latitudes and square metres; as it is, with a note, where that cannot be."""
    if not wkt:
        return dataclasses.replace(own, notes=("The source does not say which reference system it is in.",))
    if len(wkt) > _MOST_WKT:
        return dataclasses.replace(own, notes=("The description of the source's reference system is too long.",))
    if _NAMES_A_FILE.search(wkt):
        return dataclasses.replace(own, notes=("The description of the source's reference system names a file.",))
    try:
        with gdal("cannot read the reference system") as rasterio:
            crs = rasterio.crs.CRS.from_wkt(wkt)
            is_projected, factor = crs.is_projected, crs.linear_units_factor[1] if crs.is_projected else 1.0
            clean = str(crs.to_wkt())
    except DataError:
        return dataclasses.replace(own, notes=("The source's reference system is not one that PROJ can read.",))
    known = dataclasses.replace(own, crs=clean)
    ticks = np.linspace(0, 1, 9)
    edge = np.concatenate([np.stack([ticks, np.full(9, side)]) for side in (0, 1)], axis=1)
    edge = np.concatenate([edge, edge[::-1]], axis=1) * [[own.width], [own.height]]
    try:
        lonlat = _lonlat(clean, _at(own.transform, *edge))
        if not (np.isfinite(lonlat).all() and (np.abs(lonlat) <= [[180, 90]]).all()):
            raise DataError("not on Earth")
        if np.ptp(lonlat[:, 0]) > 180:
            note = "The map crosses the 180th meridian, so its regions are in the raster's own coordinates."
            return dataclasses.replace(known, notes=(note,))
        ground = _ground_area(known)
    except DataError:
        note = "The source's coordinates lie outside of what its reference system covers."
        return dataclasses.replace(known, notes=(note,))
    planar = own.row_area[0] / rows_within[0] * factor**2
    if is_projected and abs(float(np.median(ground)) / planar - 1) <= _MOST_STRETCH:
        row_area, how = np.full(len(ground), planar), "Areas are measured in the raster's projection, in metres."
    else:
        row_area = ground
        how = "Areas are measured on the ellipsoid, by an equal-area projection (EPSG:6933)"
        how += f": the raster's own stretches them by {planar / np.median(ground):.3g}." if is_projected else "."
    return dataclasses.replace(
        known, unit=SQUARE_METRES, is_lonlat=True, row_area=row_area * rows_within, how_measured=how
    )


def _ground_area(frame: Frame) -> NDArray[np.float64]:
    """Returns the square metres of a whole cell of each row, the same within each of up to 256 bands of rows."""
    rows = len(frame.row_area)
    edges = np.unique(np.linspace(0, rows, min(rows, _BANDS_OF_ROWS) + 1).round().astype(int))
    left, right = (_equal_area(frame, np.full(len(edges), x), edges) for x in (0, frame.columns))
    quads = np.stack([left[:-1], right[:-1], right[1:], left[1:]], axis=1)  # [bands, 4 corners, 2]
    x, y = np.moveaxis(quads - quads[:, :1], 2, 0)
    area = np.abs(np.sum(x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y, axis=1)) / 2
    of_cell = area / np.diff(edges) / frame.columns
    if not (np.isfinite(of_cell).all() and (of_cell > 0).all()):
        raise DataError("cells without an area")
    return np.repeat(of_cell, np.diff(edges))


def _equal_area(frame: Frame, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    return _warped(frame.crs, _EQUAL_AREA, _at(frame.transform, x, y))


def _lonlat(crs: str, places: NDArray[np.float64]) -> NDArray[np.float64]:
    return _warped(crs, _LONGITUDE_LATITUDE, places)


def _warped(crs: str, target: str, places: NDArray[np.float64]) -> NDArray[np.float64]:
    with gdal("cannot say where the map lies") as rasterio:
        source = rasterio.crs.CRS.from_wkt(crs)
        return np.stack(rasterio.warp.transform(source, rasterio.crs.CRS.from_string(target), *places.T), axis=1)


def _at(transform: Transform, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    a, b, c, d, e, f = transform
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def _determinant(transform: Transform) -> float:
    a, b, _, d, e, _ = transform
    return abs(a * e - b * d)


def _fault_of(transform: Transform, size: tuple[float, float]) -> str:
    """Returns what is wrong with a georeference; empty if it can be used."""
    if not all(map(math.isfinite, transform)):
        return "holds a number that is not finite"
    a, b, c, d, e, f = transform
    sides = math.hypot(a, d), math.hypot(b, e)
    if min(sides) <= 0 or _determinant(transform) < 1e-6 * sides[0] * sides[1]:
        return "gives its pixels no area"
    extent = abs(c) + abs(f) + (abs(a) + abs(d)) * size[0] + (abs(b) + abs(e)) * size[1]
    # Beyond that, neighbouring cells would have the same coordinates.
    if extent > 1e12 or min(sides) < extent * 1e-13:
        return "has coordinates beyond all use"
    return ""
