"""Checks and decodes the source's masks: where a field is, where pixels are usable, where a class is."""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.records import png, tiff
from components.records.mask_png import plain_mask
from components.records.source_formats import MASKS_READ
from components.records.source_image import (
    MODE_NAMES,
    BadImage,
    decoding,
    image_header_of,
    orientation_of,
    turned_image,
)
from components.records.tiff_header import TiffHeader

_SMALL_MASK_BYTES = 4096


class Mask(NamedTuple):
    """A mask that was read.

    Attributes:
      pixels: bool [H, W], read-only; True inside.
      remark: How its values were understood, if they are not 0 and 255; else empty.
    """

    pixels: NDArray[np.bool_]
    remark: str


def decode_mask(content: bytes) -> NDArray[np.bool_]:
    """Returns the pixels alone; see read_mask."""
    return read_mask(content).pixels


def read_mask(content: bytes) -> Mask:
    """Reads a mask: a PNG or TIFF of one band with the values 0 and 255, or 0 and 1, or a palette of two colours.

    Of a palette, colour 0 must be black, and one other number may be in use, whose colour is not black: then numbers
    and colours say the same. Anything else could be meant the other way round.

    Raises:
      BadImage: if it is of another kind, is too large or damaged, has other values, or lies turned in its file.
    """
    # Most masks are one of a few blank files, such as "no storm damage" or "the whole tile is inside the field".
    return _read_small_mask(content) if len(content) <= _SMALL_MASK_BYTES else _read_mask(content)


def _read_mask(content: bytes) -> Mask:
    header = image_header_of(content, MASKS_READ)
    if header.format not in ("PNG", "TIFF"):
        raise BadImage(f"not a readable {MASKS_READ} file")
    if header.mode not in ("L", "1", "P") or header.is_16_bit:
        came = "16 bits" if header.is_16_bit else MODE_NAMES[header.mode]
        raise BadImage(f"expected a mask of 1 band of at most 8 bits, or of a palette, got {came}")
    if (orientation := orientation_of(content, header)) != 1:
        raise turned_image(orientation)
    if header.mode == "P":
        with decoding():
            numbers, colours = png.decode_palette(content)
        mask, remark = _of_palette(numbers, colours)
    elif (plain := _plain(content)) is not None:
        mask, remark = plain, ""
    else:
        with decoding():
            if isinstance(header, TiffHeader):
                pixels: NDArray[np.generic] = tiff.decode(content, header)[..., 0]  # [H, W]
            else:
                pixels = png.decode_black_and_white(content)
        mask, remark = _of_grey(pixels)
    mask.flags.writeable = False
    return Mask(mask, remark)


def _plain(content: bytes) -> NDArray[np.bool_] | None:
    """Returns a mask that a shard holds, and who asks a model about its tiles sends; None for any other file."""
    with decoding():
        plain = plain_mask(content)
        return None if plain is None else np.unpackbits(plain[0], axis=1, count=plain[1]).view(np.bool_)


_read_small_mask = functools.lru_cache(maxsize=32)(_read_mask)


def _of_grey(pixels: NDArray[np.generic]) -> tuple[NDArray[np.bool_], str]:
    mask: NDArray[np.bool_] = pixels == 255
    num_nonzero = np.count_nonzero(pixels)
    if np.count_nonzero(mask) == num_nonzero:
        return mask, ""
    ones: NDArray[np.bool_] = pixels == 1
    if np.count_nonzero(ones) == num_nonzero:
        return ones, "0 and 1 were read as 0 and 255"
    others = [str(value) for value in np.unique(pixels) if value not in (0, 255)]
    came = others[0] if others != ["1"] else "1 beside 255"
    raise BadImage(f"expected the values 0 and 255, or 0 and 1, got {came}")


def _of_palette(numbers: NDArray[np.uint8], colours: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], str]:
    used = np.unique(numbers).tolist()
    if used[-1] >= len(colours):
        raise BadImage("damaged or truncated")
    inside = [number for number in used if number]
    black = [number for number in {0, *used} if not colours[number].any()]
    if black != [0] or len(inside) > 1:
        raise BadImage(
            f"expected a palette with black as colour 0 and one other colour, got colours {', '.join(map(str, used))} "
            f"of which {', '.join(map(str, black)) or 'none'} is black"
        )
    return numbers != 0, f"colour {inside[0]} of its palette was read as 255" if inside else ""
