"""What an evaluation knows of each test tile besides its labels: how much is valid, how bright, how green, which year.

The images are decoded at an eighth of their size, which takes 1.6 ms of one core for a tile of 512 px with NIR: most of
it goes into reading the compressed stream, which no smaller size spares. Means over the valid pixels move by less than
half a grey level.
"""

import concurrent.futures
import contextlib
import functools
import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Manifest
from components.dataset.field_file import read_fields
from components.errors import DataError
from components.records import jpeg
from components.records.mask_png import packed_mask
from components.records.tile_record import Record

VALID_SHARE, BRIGHTNESS, NDVI, YEAR = range(4)  # columns
NUM_ATTRIBUTES = 4
_RATIO = 8
_RED = 0
_MOST_THREADS = 4
_NO_YEARS: Mapping[str, int] = {}


def attributes_of(records: Sequence[Record], years: Mapping[str, int] = _NO_YEARS) -> NDArray[np.float32]:
    """Returns the attributes of tiles, float32 [n, 4]; NaN where one is not known.

    Columns:
      VALID_SHARE: Share of the pixels that count, in 0..1.
      BRIGHTNESS: Mean of red, green and blue over the valid pixels, in 0..1.
      NDVI: Mean of (NIR - red) / (NIR + red) over the valid pixels, in -1..1, 0 where both are 0; not known without
        NIR. It is made of grey levels and not of reflectances, so it orders the tiles of one dataset, and is not the
        NDVI of another camera.
      YEAR: That of `years`, by field.

    Brightness and NDVI are not known either if no pixel is valid, or if an image is damaged or exceeds a limit of
    image_header.py: whether that ends the evaluation is for those to say who ask the model.
    """
    of_images = _pool().map(_attributes, records) if len(records) > 1 else map(_attributes, records)
    rows = [(*row, years.get(record.field_id, np.nan)) for row, record in zip(of_images, records, strict=True)]
    return np.array(rows, np.float32).reshape(-1, NUM_ATTRIBUTES)


def years_of(data_root: str, manifest: Manifest, split: str) -> tuple[dict[str, int], str]:
    """Returns the year in which each field of a split was flown, and, if some have none, why.

    A record does not tell its year. It is in the path of a source file, where the layout has it (agrivision.year_of),
    and merge keeps it with the sums by field. A field flown in two years has none: a tile does not say which it is of.
    """
    uri = storage.join(data_root, "datasets", manifest.dataset_id, "manifest.json")
    try:
        table = read_fields(uri, manifest)
    except DataError as error:
        return {}, f"Year: {error}."
    rows = np.flatnonzero(table.is_in(split)).tolist()
    years: dict[str, int] = {}
    in_two: set[str] = set()
    for row, year in zip(rows, table.years()[rows].tolist(), strict=True):
        field = table.names[row]
        if years.setdefault(field, year) != year:
            in_two.add(field)
    known = {field: year for field, year in years.items() if year and field not in in_two}
    if not known:
        return {}, f"Year: the layout {manifest.layout} does not tell it."
    some = "1 field was" if len(in_two) == 1 else f"{len(in_two):,} fields were"
    return known, f"Year: {some} flown in several years, and left out." if in_two else ""


@functools.cache
def _pool() -> concurrent.futures.ThreadPoolExecutor:
    """Returns threads that last as long as the process; the decoders work without the interpreter lock."""
    return concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), "tile-attributes")


def _attributes(record: Record) -> tuple[float, float, float]:
    share = brightness = ndvi = float("nan")
    # Whatever an image does to a decoder, or RGB and NIR of two sizes to an index.
    with contextlib.suppress(Exception):
        rgb = jpeg.decode(record.rgb, 3, _RATIO)
        share, valid = _valid_pixels(record.valid_mask, rgb.shape[:2])
        if valid.any():
            brightness = float(rgb[valid].mean()) / 255
            if record.nir:
                nir, red = (
                    band[valid].astype(np.float32)
                    for band in (jpeg.decode(record.nir, 1, _RATIO)[..., 0], rgb[..., _RED])
                )
                ndvi = float(((nir - red) / np.maximum(nir + red, 1)).mean())
    return share, brightness, ndvi


def _valid_pixels(mask: bytes, size: tuple[int, ...]) -> tuple[float, NDArray[np.bool_]]:
    """Returns the share of valid pixels, and which pixels of a smaller image are valid, by the nearest, bool [h, w]."""
    if not mask:
        return 1.0, np.ones(size, np.bool_)
    packed, width = packed_mask(mask)
    bits = np.unpackbits(packed, axis=1, count=width)
    rows, columns = (((np.arange(to) + 0.5) * of / to).astype(np.intp) for to, of in zip(size, bits.shape, strict=True))
    return float(bits.mean()), bits[np.ix_(rows, columns)].astype(np.bool_)
