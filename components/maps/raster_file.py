"""Opens a GeoTIFF with GDAL, which is trusted with as little as possible, and reads it in strips.

Only the GeoTIFF driver may open the file, nothing beside it is read, and what its header claims is checked before any
pixel is: a few bytes can claim terabytes. An error of GDAL is one line.
"""

import contextlib
import dataclasses
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError, SettingsError
from components.maps.band_order import MAX_BANDS, band_indexes
from components.maps.grid import Transform
from components.maps.raster_extra import why_not_imported
from components.printable import printable
from components.records.source_image import to_8_bits

MAX_SIDE_PX = 1_000_000
MAX_PIXELS = 100_000_000_000
MAX_BLOCK_BYTES = 256 << 20  # of a strip or tile, unpacked, which GDAL does as a whole
_CACHE_BYTES = 32 << 20, 128 << 20  # of GDAL, at least and at most: one row of blocks
_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no .aux.xml, .ovr or .msk
    "GDAL_PAM_ENABLED": "NO",
    "GTIFF_FORCE_RGBA": "NO",
    "CPL_LOG": os.devnull,
}
_MOST_REASON = 300  # characters of what GDAL says


class _NoRaster(SettingsError):
    """The library is not there."""


@dataclasses.dataclass(frozen=True)
class RasterHeader:
    """What a GeoTIFF says of itself.

    Attributes:
      num_bands: Of the file.
      transform: None without a georeference, or with ground control points instead of one.
      crs_wkt: Empty if unknown.
      indexes: The bands that are read, from 1 on, in the order red, green, blue, near infrared.
    """

    width_px: int
    height_px: int
    num_bands: int
    transform: Transform | None
    crs_wkt: str
    indexes: tuple[int, ...]


class Raster:
    """An open GeoTIFF; see open_raster."""

    def __init__(self, dataset: Any, header: RasterHeader, path: Path, uri: str, max_16_bit: int) -> None:
        self.header = header
        self._path, self._state = path, _state(path)
        self._dataset, self._uri, self._max_16_bit = dataset, uri, max_16_bit
        colours = [each.name for each in dataset.colorinterp]
        alpha = [place for place, colour in enumerate(colours, 1) if colour == "alpha"]
        self._alpha = next((place for place in alpha if place not in header.indexes), None)
        flags = {flag.name for flag in dataset.mask_flag_enums[header.indexes[0] - 1]}
        self._has_mask = "per_dataset" in flags and "alpha" not in flags
        self._nodata = [dataset.nodatavals[index - 1] for index in header.indexes]

    def rows(self, first: int, parts: Sequence[NDArray[np.uint8]], valid: NDArray[np.uint8]) -> None:
        """Reads rows from `first` on.

        Args:
          parts: Receive the bands, each uint8 [n, W, b]: the first b of them, the next b, and so on.
          valid: Receives 255 where a pixel counts, else 0, uint8 [n, W, 1].

        Raises:
          DataError: if they cannot be read.
        """
        from rasterio.windows import Window

        window = Window(0, first, self.header.width_px, len(valid))
        with gdal_errors(f"{self._uri!r} cannot be read from row {first:,} on"):
            # One after another, as they are stored; each block stays in GDAL's cache until its last band is read.
            bands = self._dataset.read(list(self.header.indexes), window=window)  # [B, n, W]
            counts = self._counts(bands)
            if self._alpha is not None:
                counts &= self._dataset.read(self._alpha, window=window) > 0
            if self._has_mask:
                counts &= self._dataset.read_masks(self.header.indexes[0], window=window) > 0
        following = iter(bands)
        for part in parts:
            for number in range(part.shape[-1]):
                part[..., number] = to_8_bits(next(following), self._max_16_bit)
        np.multiply(counts, np.uint8(255), out=valid[..., 0])

    def require_unchanged(self) -> None:
        """Checks that nobody has written to the file since it was opened.

        Raises:
          DataError: if somebody has.
        """
        if _state(self._path) != self._state:
            raise DataError(f"{self._uri!r} has changed while it was read; run again when it is complete")

    def _counts(self, bands: NDArray[Any]) -> NDArray[np.bool_]:
        """Returns where any band has a value, as GDAL has it: a band may well be black where the others are not."""
        counts = np.zeros(bands.shape[1:], np.bool_)
        for band, nodata in zip(bands, self._nodata, strict=True):
            if nodata is None:
                return np.ones(bands.shape[1:], np.bool_)
            counts |= band != nodata
        return counts


@contextlib.contextmanager
def open_raster(path: Path, uri: str, bands: str, num_bands: int, max_16_bit: int) -> Iterator[Raster]:
    """Opens a local GeoTIFF.

    Args:
      path: The file.
      uri: What to call it.
      bands: See band_order.py.
      num_bands: 3 or 4: how many are needed.
      max_16_bit: As on the model's card.

    Raises:
      SettingsError: if rasterio is not installed, or the bands are not clear.
      DataError: if it is not a GeoTIFF that can be read.
    """
    rasterio = _rasterio()
    with contextlib.ExitStack() as stack:
        stack.enter_context(rasterio.Env(**_OPTIONS, GDAL_CACHEMAX=_CACHE_BYTES[0]))
        with gdal_errors(f"{uri!r} cannot be opened as a GeoTIFF"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has no georeference, which it need not have
            dataset = stack.enter_context(rasterio.open(os.path.abspath(path), driver="GTiff"))
        _check(dataset, uri)
        header = RasterHeader(
            width_px=dataset.width,
            height_px=dataset.height,
            num_bands=dataset.count,
            transform=_transform(dataset),
            crs_wkt=dataset.crs.to_wkt() if dataset.crs else "",
            indexes=band_indexes(bands, [each.name for each in dataset.colorinterp], num_bands, uri),
        )
        least, most = _CACHE_BYTES
        row_of_blocks = dataset.block_shapes[0][0] * dataset.width * dataset.count * _bytes(dataset)
        stack.enter_context(rasterio.Env(**_OPTIONS, GDAL_CACHEMAX=min(max(row_of_blocks, least), most)))
        yield Raster(dataset, header, path, uri, max_16_bit)


def _state(path: Path) -> tuple[int, int, int] | None:
    """Returns what changes when a file is written or replaced; None if it is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _rasterio() -> ModuleType:
    try:
        import rasterio
    except ImportError as error:
        raise _NoRaster(f"reading a GeoTIFF needs rasterio, {why_not_imported(error)}") from error
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what it would print is in its exceptions
    module: ModuleType = rasterio
    return module


@contextlib.contextmanager
def gdal_errors(what: str) -> Iterator[None]:
    """Turns an error of GDAL into one line that begins with `what`.

    Raises:
      DataError: for an error of GDAL.
    """
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, CPLE_BaseError, ValueError) as error:
        cause = error.__cause__ or error
        reason = printable(" ".join(str(cause).split()))[:_MOST_REASON]
        raise DataError(f"{what}: {reason}; is it complete, and a TIFF?") from error


def _bytes(dataset: Any) -> int:
    return int(np.dtype(dataset.dtypes[0]).itemsize)


def _check(dataset: Any, uri: str) -> None:
    """Refuses what a header claims, if it is beyond the limits or of another kind."""
    width, height, count = dataset.width, dataset.height, dataset.count
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS or count > MAX_BANDS:
        raise DataError(
            f"{uri!r} has {width:,} x {height:,} px and {count} bands; expected at most {MAX_SIDE_PX:,} px a side, "
            f"{MAX_PIXELS:,} pixels and {MAX_BANDS} bands; cut it into parts"
        )
    if kinds := {*dataset.dtypes} - {"uint8", "uint16"}:
        raise DataError(f"{uri!r} has samples of {', '.join(sorted(kinds))}; expected 8 or 16 bits, without sign")
    rows, columns = dataset.block_shapes[0]
    planes = count if dataset.interleaving is None or dataset.interleaving.name == "pixel" else 1
    block_bytes = rows * columns * _bytes(dataset) * planes
    if block_bytes > MAX_BLOCK_BYTES:
        raise DataError(
            f"{uri!r} has strips or tiles of {block_bytes:,} bytes, at most {MAX_BLOCK_BYTES:,} are read at once; "
            "convert it with `gdal_translate -co TILED=YES`"
        )


def _transform(dataset: Any) -> Transform | None:
    found = dataset.transform
    if found.is_identity:
        return None
    a, b, c, d, e, f = (float(value) for value in found[:6])
    return a, b, c, d, e, f
