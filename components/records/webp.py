"""Reads a WebP: its header, under the limits of image_header.py, and then its pixels with Pillow."""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.records.image_header import BeyondLimits, DamagedImage, NotRead, require_file_size, require_size

MAX_WEBP_PIXELS = 16_000_000  # fewer than of other formats: the decoder holds a picture four times, 16 bytes a pixel
_KIND_AT, _BODY_AT = 12, 20  # of the first chunk
_ANIMATED = 0x02  # in the flags of the extended header
_LOSSY_START = b"\x9d\x01\x2a"


def is_webp(content: bytes) -> bool:
    """Tells whether a file begins as a WebP does."""
    return content.startswith(b"RIFF") and content.startswith(b"WEBP", 8)


def webp_size(content: bytes) -> tuple[int, int]:
    """Returns width and height.

    Raises:
      BeyondLimits: if it is too large.
      DamagedImage: if it is no WebP, is damaged, or holds an animation.
    """
    require_file_size(content)
    if not is_webp(content):
        raise DamagedImage("not a readable WebP")
    try:
        (num_bytes,) = struct.unpack_from("<I", content, 4)
        width, height = _size(content)
    except (struct.error, IndexError) as error:
        raise DamagedImage("it is cut off") from error
    if num_bytes + 8 > len(content):
        raise DamagedImage("it is cut off")
    if not width or not height:
        raise DamagedImage("its header claims what no WebP has")
    require_size(width, height)
    if width * height > MAX_WEBP_PIXELS:
        raise BeyondLimits(f"{width}x{height} px, at most {MAX_WEBP_PIXELS:,} pixels of a WebP are read")
    return width, height


def _size(content: bytes) -> tuple[int, int]:
    kind = content[_KIND_AT : _KIND_AT + 4]
    if kind == b"VP8X":
        if content[_BODY_AT] & _ANIMATED:
            raise NotRead("an animated WebP, which is not read; write one picture a file")
        first, second = content[_BODY_AT + 4 : _BODY_AT + 7], content[_BODY_AT + 7 : _BODY_AT + 10]
        return 1 + int.from_bytes(first, "little"), 1 + int.from_bytes(second, "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, _BODY_AT + 1)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and content.startswith(_LOSSY_START, _BODY_AT + 3):
        width, height = struct.unpack_from("<HH", content, _BODY_AT + 6)
        return width & 0x3FFF, height & 0x3FFF
    raise DamagedImage("its header claims what no WebP has")


def decode(content: bytes) -> NDArray[np.uint8]:
    """Decodes a WebP; alpha is dropped.

    Returns:
      uint8 [H, W, 3], as stored: not rotated.

    Raises:
      DamagedImage: if it is damaged, no single picture, or too large.
    """
    width, height = webp_size(content)
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as image:
            if image.size != (width, height) or getattr(image, "n_frames", 1) != 1:
                raise DamagedImage("its header claims another picture than it has")
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except DamagedImage:
        raise
    except Exception as error:  # damaged bytes raise anything from OSError to SyntaxError
        raise DamagedImage("not a readable WebP") from error
