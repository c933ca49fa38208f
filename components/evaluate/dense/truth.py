"""What a record says of each pixel of its tile: whether it counts, and which classes it shows."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.records.image_header import DamagedImage, read_header
from components.records.mask_png import packed_mask
from components.records.tile_record import Record


@dataclasses.dataclass(frozen=True)
class Truth:
    """A tile's pixels; planes are packed bits, uint8 [height, width / 8 rounded up], with padding of 0.

    Attributes:
      valid: The pixels that count.
      labels: Those that have a class, by its number; only classes that the tile has.
    """

    height: int
    width: int
    valid: NDArray[np.uint8]
    labels: Mapping[int, NDArray[np.uint8]]

    def plane(self, bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Returns one of the planes as bool [height, width]."""
        return np.unpackbits(bits, axis=1, count=self.width).astype(np.bool_)


def truth_of(record: Record, num_classes: int) -> Truth:
    """Reads the masks of a tile, which are of the size of its RGB.

    Raises:
      DataError: if a mask is missing, damaged or of another size; names the tile.
    """
    try:
        if len(record.label_masks) != num_classes:
            raise DamagedImage(f"it has {len(record.label_masks)} label_masks, expected {num_classes}")
        rgb = read_header(record.rgb)
        size = rgb.height, rgb.width
        labels = {
            c: _packed(f"label mask {c}", content, size) for c, content in enumerate(record.label_masks) if content
        }
        return Truth(*size, valid_pixels(record, *size), labels)
    except DamagedImage as error:
        raise DataError(
            f"the masks of tile {record.tile_id!r} cannot be read: {error}; run `agrivision verify`, which names the "
            "damaged shard, and what to do"
        ) from error


def valid_pixels(record: Record, height: int, width: int) -> NDArray[np.uint8]:
    """Returns the pixels of a tile that count, as packed bits.

    Raises:
      DamagedImage: if the valid mask cannot be read, or has another size.
    """
    if record.valid_mask:
        return _packed("valid_mask", record.valid_mask, (height, width))
    return np.packbits(np.ones((height, width), np.bool_), axis=1)


def _packed(role: str, content: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        packed, width = packed_mask(content)
    except DamagedImage as error:
        raise DamagedImage(f"{role}: {error}") from error
    if (len(packed), width) != size:
        raise DamagedImage(f"{role}: {width}x{len(packed)} px, but the rgb has {size[1]}x{size[0]} px")
    if width % 8:  # whoever wrote the file may have set the bits behind the last pixel
        packed = packed.copy()
        packed[:, -1] &= np.uint8(0xFF << (8 - width % 8) & 0xFF)
    return packed
