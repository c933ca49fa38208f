"""The regions of a map as GeoJSON (RFC 7946): where the model says yes to a class, and apart where it is not sure.

Outlines follow the sides of cells. A region is one polygon with its holes; outlines run counterclockwise and holes
clockwise, as the RFC wants it. What the RFC has no place for, such as the model and what was left out, is in members of
the collection that other programs skip.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from components.errors import naming_place
from components.maps.grid import MapGrid
from components.maps.output.cells import NOT_SURE, STEPS, YES, CellBlock, never_ruled_out
from components.maps.output.coarse import Squares, side_of_squares
from components.maps.output.frame import OWN_UNITS, PIXELS, SQUARE_METRES, Frame
from components.maps.output.outlines import rings_by_region
from components.maps.output.region_spool import Rank, RegionSpool
from components.maps.output.region_sweep import Regions, RegionSweep
from components.maps.settings import RegionSettings
from components.printable import printable

ANSWERS = {YES: "yes", NOT_SURE: "not sure"}
_AREA_KEYS = {SQUARE_METRES: "area_m2", OWN_UNITS: "area_units2", PIXELS: "area_px2"}
_HECTARE_M2 = 10_000
_CORNERS_AT_ONCE = 100_000
_COORDINATES = {
    SQUARE_METRES: "longitude and latitude, WGS 84",
    OWN_UNITS: "those of the raster, not longitude and latitude",
    PIXELS: "pixels of the source: x to the right and y downwards from its top left corner",
}


@dataclasses.dataclass
class Covered:
    """What a class covers with one answer.

    Attributes:
      area: Of all regions, also of those that are not in the file, within outlines.
      num_found: All regions.
      num_small: Left out of the file because they are smaller than the smallest that it may have.
      num_intricate: Left out because they have too many corners.
      num_kept, kept_area: Regions in the file.
    """

    area: float = 0.0
    num_found: int = 0
    num_small: int = 0
    num_intricate: int = 0
    num_kept: int = 0
    kept_area: float = 0.0

    @property
    def num_beyond(self) -> int:
        """Left out because the file has as many larger ones as it may have."""
        return self.num_found - self.num_small - self.num_intricate - self.num_kept

    @property
    def left_out_area(self) -> float:
        """Of all regions that are not in the file."""
        return self.area - self.kept_area if self.num_found > self.num_kept else 0.0


@contextlib.contextmanager
def region_file(grid: MapGrid, frame: Frame, path: Path, settings: RegionSettings) -> Iterator["RegionFile"]:
    """Yields what takes a map from the top to the bottom; the file is written when the context ends."""
    with naming_place(path), tempfile.TemporaryFile(dir=path.parent) as temporary:
        regions = RegionFile(grid, frame, settings, temporary)
        yield regions
        regions.write(path)


class RegionFile:
    """Takes a map from the top to the bottom, and counts what its classes cover.

    Attributes:
      side: Of the squares that outlines follow, cells; what is thinner may not be in the file.
      covered: For each class by answer; complete when the file is written.
    """

    def __init__(self, grid: MapGrid, frame: Frame, settings: RegionSettings, temporary: BinaryIO) -> None:
        """Begins above the first row; `temporary` is an empty file for what is found on the way."""
        self._grid, self._frame = grid, frame
        units = {SQUARE_METRES: settings.smallest_m2, PIXELS: settings.smallest_px2}
        self._smallest = units.get(frame.unit, 0.0)  # none in units of unknown length
        self._squares = Squares(side_of_squares(grid))
        self.side = side = self._squares.side
        columns, area = -(-grid.columns // side), np.add.reduceat(frame.row_area, np.arange(0, grid.rows, side)) * side
        self._sweeps = [RegionSweep(columns, frame.width / side, area) for _ in grid.classes]
        self._spool = RegionSpool(temporary, settings.most_regions)
        self._reverses_outlines = frame.keeps_clockwise
        self.covered = [{answer: Covered() for answer in ANSWERS} for _ in grid.classes]

    def add(self, block: CellBlock) -> None:
        """Takes the next rows."""
        self._sweep(self._squares.add(block))

    def _sweep(self, block: CellBlock | None) -> None:
        if block is not None:
            for c, sweep in enumerate(self._sweeps):
                self._take(c, sweep.add(block.answers[c], block.steps[c]))

    def _take(self, class_number: int, regions: Regions) -> None:
        """Counts regions that are finished, and keeps those that may be in the file."""
        if not len(regions):
            return
        is_small = regions.area < self._smallest
        is_intricate = ~is_small & ~regions.outlined
        for answer, of in self.covered[class_number].items():
            here = regions.answer == answer
            of.area += float(regions.area[here].sum())
            of.num_found += int(here.sum())
            of.num_small += int((here & is_small).sum())
            of.num_intricate += int((here & is_intricate).sum())
        kept = regions.where(~is_small & ~is_intricate & (regions.area >= self._spool.least_area))
        for part in _parts(kept):
            self._keep(class_number, part)

    def _keep(self, class_number: int, kept: Regions) -> None:
        points = self._frame.points(kept.corners.x * self.side, kept.corners.y * self.side).tolist()
        for number, rings in enumerate(rings_by_region(kept.corners, len(kept))):
            coordinates: list[list[list[float]]] = []
            for ring in rings:
                places = [points[corner] for corner in ring]
                places.append(places[0])
                # The outline is the first; holes run against it.
                coordinates.append(places[::-1] if (not coordinates) == self._reverses_outlines else places)
            rank = Rank(class_number, int(kept.answer[number]), -float(kept.area[number]), int(kept.first[number]))
            self._spool.add(rank, msgspec.json.encode(self._feature(rank, kept, number, coordinates)))

    def _feature(self, rank: Rank, regions: Regions, number: int, coordinates: list[Any]) -> dict[str, Any]:
        area = -rank.minus_area
        size = {_AREA_KEYS[self._frame.unit]: round(area, 3)}
        if self._frame.unit == SQUARE_METRES:
            size["area_ha"] = round(area / _HECTARE_M2, 5)
        mean = float(regions.total[number] / regions.cells[number])
        return {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": coordinates},
            "properties": {
                "class": printable(self._grid.classes[rank.class_number]),
                "answer": ANSWERS[rank.answer],
                "mean_probability": round(mean / STEPS, 4),
                "max_probability": round(int(regions.highest[number]) / STEPS, 4),
                **size,
            },
        }

    def write(self, path: Path) -> None:
        """Writes the file, after the last row."""
        self._sweep(self._squares.finish())
        for c, sweep in enumerate(self._sweeps):
            self._take(c, sweep.finish())
        for rank in self._spool.finish():
            of = self.covered[rank.class_number][rank.answer]
            of.num_kept += 1
            of.kept_area -= rank.minus_area
        head = msgspec.json.encode({"type": "FeatureCollection", **self._about()})
        with path.open("wb") as file:
            file.write(head[:-1] + b',"features":[')
            for number, content in enumerate(self._spool.contents()):
                file.write((b",\n" if number else b"\n") + content)
            file.write(b"\n]}\n")

    def _about(self) -> dict[str, Any]:
        grid, key = self._grid, _AREA_KEYS[self._frame.unit]
        names = [printable(name) for name in grid.classes]
        thresholds = grid.thresholds or (None,) * len(names)
        return {
            "name": printable(grid.name),
            "coordinates_are": _COORDINATES[self._frame.unit],
            "notes": [*self._frame.notes, self._frame.how_measured],
            "model_version": grid.model_version,
            "source_fingerprint": grid.fingerprint,
            "yes_from": dict(zip(names, thresholds, strict=True)),
            "no_below": None if grid.no_below is None else dict(zip(names, grid.no_below, strict=False)),
            "never_ruled_out": [printable(name) for name in never_ruled_out(grid)],
            "smallest": {key: self._smallest},
            "outlines_follow_squares_of_px": self.side * grid.cell_px,
            "left_out": [
                {
                    "class": name,
                    "answer": ANSWERS[answer],
                    "smaller_than_the_smallest": of.num_small,
                    "beyond_the_largest": of.num_beyond,
                    "too_intricate": of.num_intricate,
                    key: round(of.left_out_area, 3),
                }
                for name, by_answer in zip(names, self.covered, strict=True)
                for answer, of in by_answer.items()
                if of.num_found > of.num_kept
            ],
        }


def _parts(regions: Regions) -> Iterator[Regions]:
    """Yields regions that have few corners together, or one region: as lists of numbers, corners take much room."""
    if not len(regions):
        return
    part = np.cumsum(np.bincount(regions.corners.region, minlength=len(regions))) // _CORNERS_AT_ONCE
    for number in np.unique(part).tolist():
        yield regions.where(part == number)
