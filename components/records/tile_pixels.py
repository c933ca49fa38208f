"""A tile as pixels: of its own size, as a map's windows are, or as the decoder inside a served model would make it.

The latter is what a model's signature `decoded` takes. The JPEG decoder may scale down while it decodes, which is
another picture than one that is scaled down afterwards. So whoever decodes for a model does it by the model's own
ratio. The model itself does the rest of the scaling.
"""

import functools
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


def ratio_and_side(stored_px: int, image_size_px: int) -> tuple[int, int]:
    """Returns how a model's decoder treats the tiles of its dataset.

    Args:
      stored_px: Side of those tiles, pixels; 0 if they differ.
      image_size_px: Side of the model's input.

    Returns:
      By how much it scales a JPEG down, and the side of a tile after that; tiles of another side are left to the model.
    """
    if not stored_px:
        return 1, image_size_px
    ratio = jpeg.decoder_ratio([f"{stored_px}x{stored_px}"], image_size_px)
    return ratio, stored_px // ratio


def model_pixels(record: Record, ratio: int, image_size_px: int) -> TilePixels:
    """Decodes a tile; `valid` has the size of the model's input, [S, S, 1].

    Raises:
      DamagedImage: if an image is damaged or exceeds a limit of image_header.py, or they are not of one size.
    """
    whole = tile_pixels(record)
    valid = scaled_valid(whole.valid[..., 0], image_size_px)
    if ratio == 1:
        return TilePixels(whole.rgb, whole.nir, valid)
    rgb = jpeg.decode(record.rgb, 3, ratio)
    nir = jpeg.decode(record.nir, 1, ratio) if record.nir else None
    if nir is not None and nir.shape[:2] != rgb.shape[:2]:
        raise DamagedImage("RGB and NIR are not of one size once they are decoded")
    return TilePixels(rgb, nir, valid)


def scaled_valid(valid: NDArray[np.uint8] | NDArray[np.bool_], image_size_px: int) -> NDArray[np.uint8]:
    """Returns uint8 [S, S, 1], 1 where a pixel counts, from [H, W]: the pixels that tfrecords.nearest_mask takes."""
    rows, columns = (_nearest(side, image_size_px) for side in valid.shape)
    # Whole rows first, which are copied as they are; picking pixel by pixel takes four times as long.
    picked: NDArray[np.uint8] = valid.take(rows, axis=0).take(columns, axis=1).astype(np.uint8)
    return picked[..., np.newaxis]


@functools.lru_cache(maxsize=64)
def _nearest(side: int, size_px: int) -> NDArray[np.intp]:
    """Returns the places that nearest-neighbour scaling takes from a side, in TensorFlow's arithmetic of 32 bits."""
    scale = np.float32(side) / np.float32(size_px)
    places = np.floor((np.arange(size_px, dtype=np.float32) + np.float32(0.5)) * scale)
    nearest: NDArray[np.intp] = np.minimum(places.astype(np.intp), side - 1)
    return nearest
