"""A tile as pixels of its own size: what a map's windows are made of, and what push compares with an encoded tile."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.records import jpeg
from components.records.image_header import DamagedImage
from components.records.mask_png import packed_mask
from components.records.tile_record import Record


class TilePixels(NamedTuple):
    """The pixels of one tile, not scaled.

    Attributes:
      rgb: uint8 [H, W, 3].
      nir: uint8 [H, W, 1]; None if the tile has none.
      valid: uint8 [H, W, 1], 1 where a pixel counts, else 0.
    """

    rgb: NDArray[np.uint8]
    nir: NDArray[np.uint8] | None
    valid: NDArray[np.uint8]


def tile_pixels(record: Record) -> TilePixels:
    """Decodes a tile.

    Raises:
      DamagedImage: if an image is damaged or exceeds a limit of image_header.py, or they are not of one size.
    """
    rgb = jpeg.decode(record.rgb, 3)
    nir = jpeg.decode(record.nir, 1) if record.nir else None
    height, width = rgb.shape[:2]
    if record.valid_mask:
        packed, mask_width = packed_mask(record.valid_mask)
        valid = np.unpackbits(packed, axis=1, count=mask_width)[..., np.newaxis]
    else:
        valid = np.ones((height, width, 1), np.uint8)
    for name, part in (("NIR", nir), ("the mask", valid)):
        if part is not None and part.shape[:2] != (height, width):
            raise DamagedImage(f"RGB and {name} are not of one size")
    return TilePixels(rgb, nir, valid)
