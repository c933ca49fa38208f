"""The probability mosaic: a Cloud-Optimized GeoTIFF with a band for each class, or a PNG for each class.

Both hold bytes: a probability in steps of 0.004, 0 to 250, and 255 where nothing was judged. Files are written from the
top to the bottom in little memory, and equal maps make equal bytes. Where the source has no georeference, there is
nothing that a GeoTIFF would add, and PNGs need no GDAL.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.maps.grid import MapGrid
from components.maps.output.cells import STEPS, Block
from components.maps.output.file_names import FileNames
from components.maps.output.frame import PIXELS, Frame
from components.maps.output.gdal_here import gdal
from components.maps.output.grey_png import GreyPng
from components.printable import printable

SCALE, NODATA = 0.004, 255  # probability = value * SCALE
_MOST_TAG = 1000  # characters
_BLOCK_PX = 256  # of the temporary file; blocks of the final one consist of whole ones
_AS_BYTE = ((np.arange(STEPS + 1, dtype=np.int64) * 250 + STEPS // 2) // STEPS).astype(np.uint8)
# What GDAL makes of a map. Without an order to the contrary, three bands would be red, green and blue.
_TEMPORARY = {"driver": "GTiff", "tiled": True, "blockxsize": _BLOCK_PX, "blockysize": _BLOCK_PX, "dtype": "uint8"}
_LOOK = {"photometric": "MINISBLACK", "interleave": "pixel", "BIGTIFF": "IF_SAFER"}
_COG = {"COMPRESS": "DEFLATE", "LEVEL": 6, "BLOCKSIZE": 2 * _BLOCK_PX, "BIGTIFF": "IF_SAFER", "ADD_ALPHA": "NO"}
_OVERVIEWS = {"OVERVIEWS": "IGNORE_EXISTING", "OVERVIEW_RESAMPLING": "AVERAGE"}


class Mosaic(Protocol):
    """What takes a map from the top to the bottom."""

    def add(self, block: Block) -> None:
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

    def add(self, block: Block) -> None:
        for file, rows in zip(self._files, as_bytes(block.steps, block.valid), strict=True):
            file.add(rows)


@contextlib.contextmanager
def _pngs(grid: MapGrid, frame: Frame, folder: Path, names: FileNames) -> Iterator[Mosaic]:
    with contextlib.ExitStack() as stack:
        paths = [folder / name for name in names.pngs]
        files = [stack.enter_context(GreyPng(path, grid.columns, grid.rows, transparent=NODATA)) for path in paths]
        yield _Pngs(files)


class _Rows:
    """Hands a dataset of GDAL rows of whole blocks, so that none is compressed twice."""

    def __init__(self, dataset: object, num_classes: int, columns: int) -> None:
        self._dataset, self._columns, self._row, self._held = dataset, columns, 0, 0
        self._buffer = np.zeros((num_classes, _BLOCK_PX, columns), np.uint8)

    def add(self, block: Block) -> None:
        values = as_bytes(block.steps, block.valid)
        while values.shape[1]:
            taken = min(_BLOCK_PX - self._held, values.shape[1])
            self._buffer[:, self._held : self._held + taken] = values[:, :taken]
            self._held, values = self._held + taken, values[:, taken:]
            if self._held == _BLOCK_PX:
                self.write()

    def write(self) -> None:
        """Writes the rows that are held."""
        if self._held:
            window = ((self._row, self._row + self._held), (0, self._columns))
            self._dataset.write(self._buffer[:, : self._held], window=window)  # type: ignore[attr-defined]
        self._row, self._held = self._row + self._held, 0


@contextlib.contextmanager
def _tiff(grid: MapGrid, frame: Frame, folder: Path, names: FileNames) -> Iterator[Mosaic]:
    final, temporary = folder / names.tiff, folder / f".{names.tiff}.tmp"
    doing = f"cannot write the mosaic of {printable(grid.name)!r}"
    num_classes = len(grid.classes)
    with gdal(doing) as rasterio:
        affine = rasterio.Affine(*frame.transform)
        place = {"transform": affine, "crs": rasterio.crs.CRS.from_wkt(frame.crs) if frame.crs else None}
        size = {"width": grid.columns, "height": grid.rows, "count": num_classes, "nodata": NODATA}
        with rasterio.open(temporary, "w", **_TEMPORARY, **_LOOK, **size, **place) as dataset:
            dataset.scales, dataset.offsets = (SCALE,) * num_classes, (0.0,) * num_classes
            dataset.units = ("probability",) * num_classes
            grey = rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.undefined
            dataset.colorinterp = [grey[0], *[grey[1]] * (num_classes - 1)]
            dataset.update_tags(**{name: _tag(text) for name, text in _about(grid).items()})
            for number, name in enumerate(grid.classes, 1):
                dataset.set_band_description(number, _tag(name))
                if grid.thresholds is not None:
                    dataset.update_tags(number, threshold=f"{grid.thresholds[number - 1]:.6g}")
            rows = _Rows(dataset, num_classes, grid.columns)
            yield rows
            rows.write()
        rasterio.shutil.copy(temporary, final, driver="COG", **_COG, **_OVERVIEWS)
        temporary.unlink()


def _about(grid: MapGrid) -> dict[str, str]:
    return {
        "AGRIVISION_MODEL": grid.model_version,
        "AGRIVISION_SOURCE": grid.name,
        "AGRIVISION_SOURCE_FINGERPRINT": grid.fingerprint,
        "AGRIVISION_VALUES": f"probability = value * {SCALE:g}; {NODATA} where nothing was judged",
    }


def _tag(text: str) -> str:
    return printable(text)[:_MOST_TAG]
