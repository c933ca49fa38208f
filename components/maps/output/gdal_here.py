"""GDAL as the files of a map need it: bounded, opening only what was just written, errors in one line."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from components.errors import DataError, SettingsError
from components.maps.raster_extra import why_not_imported
from components.printable import printable

_CACHE_MB = 64  # of blocks; what is written arrives in whole blocks, so none is needed twice
_MOST_SHOWN = 200  # characters of an error; those of PROJ quote whole definitions


@contextlib.contextmanager
def gdal(doing: str) -> Iterator[Any]:
    """Yields the module rasterio for one thing to do.

    Args:
      doing: What is done, for the error, e.g. "cannot write the mosaic of 'north'".

    Raises:
      SettingsError: if rasterio is not installed.
      DataError: if GDAL or PROJ refuses.
    """
    try:
        import rasterio
        import rasterio.shutil
        import rasterio.warp
        from rasterio._err import CPLE_BaseError
        from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
    except ImportError as error:
        raise SettingsError(f"{doing}, which needs rasterio, {why_not_imported(error)}") from error
    options = {
        "GDAL_CACHEMAX": _CACHE_MB,
        "GDAL_PAM_ENABLED": "NO",  # it would put what a TIFF cannot hold into a second file
        "PROJ_NETWORK": "OFF",
    }
    with rasterio.Env(**options), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # of a place that happens to be 0, 0
        try:
            yield rasterio
        except (CPLE_BaseError, CRSError, RasterioError) as error:
            reason = printable(" ".join(str(error).split()))
            reason = reason if len(reason) <= _MOST_SHOWN else f"{reason[:_MOST_SHOWN]}…"
            raise DataError(f"{doing}: {reason}") from error
