"""What an evaluation knows of each test tile besides its labels: how much of it is valid, how bright, how green.

The images are decoded at an eighth of their size, which takes 1.6 ms of one core for a tile of 512 px with NIR: most of
it goes into reading the compressed stream, which no smaller size spares. Means over the valid pixels move by less than
half a grey level.
"""

import concurrent.futures
import functools
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.records import jpeg
from components.records.image_header import DamagedImage
from components.records.mask_png import packed_mask
from components.records.tile_record import Record

VALID_SHARE, BRIGHTNESS, NDVI = range(3)  # columns
NUM_ATTRIBUTES = 3
_RATIO = 8
_RED = 0
_MOST_THREADS = 4


def attributes_of(records: Sequence[Record]) -> NDArray[np.float32]:
    """Returns the attributes of tiles, float32 [n, 3]; NaN where one is not known.

    Columns:
      VALID_SHARE: Share of the pixels that count, in 0..1.
      BRIGHTNESS: Mean of red, green and blue over the valid pixels, in 0..1.
      NDVI: Mean of (NIR - red) / (NIR + red) over the valid pixels, in -1..1, 0 where both are 0; not known without
        NIR. It is made of grey levels and not of reflectances, so it orders the tiles of one dataset, and is not the
        NDVI of another camera.

    Brightness and NDVI are not known either if no pixel is valid, or if an image is damaged or exceeds a limit of
    image_header.py: whether that ends the evaluation is for those to say who ask the model.
    """
    rows = list(_pool().map(_attributes, records)) if len(records) > 1 else [_attributes(each) for each in records]
    return np.array(rows, np.float32).reshape(-1, NUM_ATTRIBUTES)


@functools.cache
def _pool() -> concurrent.futures.ThreadPoolExecutor:
    """Returns threads that last as long as the process; the decoders work without the interpreter lock."""
    return concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS), "tile-attributes")


def _attributes(record: Record) -> tuple[float, float, float]:
    share = brightness = ndvi = float("nan")
    try:
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
    except (DamagedImage, IndexError):  # an IndexError: RGB and NIR are not of one size
        pass
    return share, brightness, ndvi


def _valid_pixels(mask: bytes, size: tuple[int, ...]) -> tuple[float, NDArray[np.bool_]]:
    """Returns the share of valid pixels, and which pixels of a smaller image are valid, by the nearest, bool [h, w]."""
    if not mask:
        return 1.0, np.ones(size, np.bool_)
    packed, width = packed_mask(mask)
    bits = np.unpackbits(packed, axis=1, count=width)
    rows, columns = (((np.arange(to) + 0.5) * of / to).astype(np.intp) for to, of in zip(size, bits.shape, strict=True))
    return float(bits.mean()), bits[np.ix_(rows, columns)].astype(np.bool_)
