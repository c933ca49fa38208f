"""The probability mosaic: a Cloud-Optimized GeoTIFF with a band for each class, or a PNG for each class.

Both hold bytes: a probability in steps of 0.004, 0 to 250, and 255 where nothing was judged. Files are written from the
top to the bottom in little memory, and equal maps make equal bytes. Where the source has no georeference, there is
nothing that a GeoTIFF would add, and PNGs need no GDAL.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from components.maps.grid import MapGrid
from components.maps.output.cells import STEPS, CellBlock
from components.maps.output.file_names import FileNames
from components.maps.output.frame import PIXELS, Frame
from components.maps.output.gdal_here import gdal
from components.maps.output.grey_png import GreyPng
from components.maps.output.pyramid import BLOCK_PX, NODATA, Pyramid, level_sizes
from components.printable import printable

SCALE = 0.004  # probability = value * SCALE
_MOST_TAG = 1000  # characters
_AS_BYTE = ((np.arange(STEPS + 1, dtype=np.int64) * 250 + STEPS // 2) // STEPS).astype(np.uint8)
# Without an order to the contrary, GDAL takes three bands for red, green and blue.
_TEMPORARY = {
    "driver": "GTiff",
    "dtype": "uint8",
    "tiled": True,
    "blockxsize": BLOCK_PX,
    "blockysize": BLOCK_PX,
    "photometric": "MINISBLACK",
    "interleave": "pixel",
    "BIGTIFF": "IF_SAFER",
}
# Level 1 takes a fifth of the time of level 6 and 13 % more room, measured with GDAL 3.10 and smooth maps. GDAL's own
# overviews take four times as long as all the rest.
_COG: dict[str, Any] = {
    "COMPRESS": "DEFLATE",
    "LEVEL": 1,
    "PREDICTOR": "YES",
    "BLOCKSIZE": 512,
    "BIGTIFF": "IF_SAFER",
    "OVERVIEWS": "FORCE_USE_EXISTING",
}


class Mosaic(Protocol):
    """What takes a map from the top to the bottom."""

    def add(self, block: CellBlock) -> None:
        """Writes the next rows."""


@contextlib.contextmanager
def mosaic(grid: MapGrid, frame: Frame, folder: Path, names: FileNames) -> Iterator[Mosaic]:
    """Yields what writes the mosaic into `folder`; its files are whole when the context ends.

    Raises:
      DataError: if GDAL cannot write it.
      SettingsError: if it needs rasterio, which is not installed.
    """
    with (_pngs if frame.unit == PIXELS else _tiff)(grid, frame, folder, names) as writer:
        yield writer


def as_bytes(steps: NDArray[np.uint16], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Returns the values of a mosaic, uint8 [C, r, columns]."""
    values = _AS_BYTE[steps]
    values[:, ~valid] = NODATA
    return values


class _Pngs:
    def __init__(self, files: Sequence[GreyPng]) -> None:
        self._files = files

    def add(self, block: CellBlock) -> None:
        for file, rows in zip(self._files, as_bytes(block.steps, block.valid), strict=True):
            file.add(rows)


@contextlib.contextmanager
def _pngs(grid: MapGrid, frame: Frame, folder: Path, names: FileNames) -> Iterator[Mosaic]:
    with contextlib.ExitStack() as stack:
        paths = [folder / name for name in names.pngs]
        files = [stack.enter_context(GreyPng(path, grid.columns, grid.rows, transparent=NODATA)) for path in paths]
        yield _Pngs(files)


@contextlib.contextmanager
def _tiff(grid: MapGrid, frame: Frame, folder: Path, names: FileNames) -> Iterator[Mosaic]:
    temporary = folder / f".{names.tiff}.tmp"
    num_classes = len(grid.classes)
    with gdal(f"cannot write the mosaic of {printable(grid.name)!r}") as rasterio, contextlib.ExitStack() as stack:
        size = (num_classes, grid.rows, grid.columns)
        pyramid = Pyramid([stack.enter_context(level) for level in _levels(rasterio, temporary, frame, size)], size)
        base = pyramid.datasets[0]
        base.scales, base.offsets = (SCALE,) * num_classes, (0.0,) * num_classes
        base.units = ("probability",) * num_classes
        grey = rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.undefined
        base.colorinterp = [grey[0], *[grey[1]] * (num_classes - 1)]
        base.update_tags(**{name: _tag(text) for name, text in _about(grid).items()})
        for number, name in enumerate(grid.classes, 1):
            base.set_band_description(number, _tag(name))
            if grid.thresholds is not None:
                base.update_tags(number, threshold=f"{grid.thresholds[number - 1]:.6g}")
        yield _Tiff(pyramid)
        pyramid.finish()
        stack.close()
        rasterio.shutil.copy(temporary, folder / names.tiff, driver="COG", **_COG)
        for level in folder.glob(f"{temporary.name}*"):
            level.unlink()


class _Tiff:
    def __init__(self, pyramid: Pyramid) -> None:
        self._pyramid = pyramid

    def add(self, block: CellBlock) -> None:
        self._pyramid.add(as_bytes(block.steps, block.valid))


def _levels(rasterio: Any, path: Path, frame: Frame, size: tuple[int, int, int]) -> Iterator[Any]:
    """Yields the datasets of a pyramid; GDAL takes a file of the same name with ".ovr" for its next level."""
    crs = rasterio.crs.CRS.from_wkt(frame.crs) if frame.crs else None
    a, b, c, d, e, f = frame.transform
    for number, (height, width) in enumerate(level_sizes(*size[1:], _COG["BLOCKSIZE"])):
        shape = {"count": size[0], "height": height, "width": width, "nodata": NODATA}
        name = f"{path}{'.ovr' * number}"
        transform = rasterio.Affine(a * 2**number, b * 2**number, c, d * 2**number, e * 2**number, f)
        yield rasterio.open(name, "w", **_TEMPORARY, **shape, transform=transform, crs=crs)


def _about(grid: MapGrid) -> dict[str, str]:
    return {
        "AGRIVISION_MODEL": grid.model_version,
        "AGRIVISION_SOURCE": grid.name,
        "AGRIVISION_SOURCE_FINGERPRINT": grid.fingerprint,
        "AGRIVISION_VALUES": f"probability = value * {SCALE:g}; {NODATA} where nothing was judged",
    }


def _tag(text: str) -> str:
    return printable(text)[:_MOST_TAG]
