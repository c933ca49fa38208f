"""Checks and decodes the source's image files.

Files decode to exactly the pixels that a model sees in training and serving, but the checks are stricter: damage that a
decoder could skip with a warning is refused here. The header tells first what kind of picture it is and how large.
"""

import contextlib
import functools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.records import jpeg, png
from components.records.image_header import BeyondLimits, DamagedImage, read_header

# Pillow's modes, and their names for people. Only these are decoded; any other mode (16 bits, float) is refused.
_MODE_NAMES = {
    "RGB": "RGB",
    "L": "1 band",
    "1": "1 band of 1 bit",
    "LA": "1 band with alpha",
    "P": "a palette",
    "RGBA": "RGB with alpha",
    "CMYK": "CMYK",
}
RGB_MODES = ("RGB",)
# The modes of users' own pictures. The decoder turns each into RGB and drops alpha; EXIF rotation is not applied.
ANY_COLOUR_MODES = tuple(_MODE_NAMES)
NIR_MODES = ("L",)
MASK_MODES = ("L", "1")

_SMALL_MASK_BYTES = 4096


class BadImage(Exception):
    """A file that cannot be used; the message is the reason, without the file's name."""


def _require_kind(content: bytes, formats: tuple[str, ...], modes: Sequence[str]) -> None:
    """Reads the header and refuses files that cannot be used, before they are decoded."""
    if not content:
        raise BadImage("empty file (0 bytes)")
    try:
        header = read_header(content)
    except BeyondLimits as error:
        raise BadImage(str(error)) from error
    except DamagedImage as error:
        raise BadImage(f"not a readable {' or '.join(formats)} file") from error
    if header.format not in formats:
        raise BadImage(f"not a readable {' or '.join(formats)} file")
    if header.mode not in modes:
        came = _MODE_NAMES.get(header.mode, f"mode {header.mode}")
        raise BadImage(f"expected {' or '.join(_MODE_NAMES[mode] for mode in modes)}, got {came}")


@contextlib.contextmanager
def _decoding() -> Iterator[None]:
    """Turns whatever a decoder says of a file into a reason to reject it."""
    try:
        yield
    except BeyondLimits as error:
        raise BadImage(str(error)) from error
    except Exception as error:  # e.g. a MemoryError: it must not end a run that names no tile
        raise BadImage("damaged or truncated") from error


def decode_bands(content: bytes, num_bands: int, modes: Sequence[str]) -> NDArray[np.uint8]:
    """Decodes a whole JPEG or PNG.

    Returns:
      uint8 [H, W, num_bands].

    Raises:
      BadImage: if it is too large, has a mode not in `modes`, or is damaged or truncated.
    """
    _require_kind(content, ("JPEG", "PNG"), modes)
    with _decoding():
        return jpeg.decode(content, num_bands)


def decode_mask(content: bytes) -> NDArray[np.bool_]:
    """Decodes a mask.

    Returns:
      bool [H, W], read-only; True where the file has 255.

    Raises:
      BadImage: if it is not a one-band PNG, is too large or damaged, or has a value other than 0 and 255.
    """
    # Most masks are one of a few blank files, such as "no storm damage" or "the whole tile is inside the field".
    return _decode_small_mask(content) if len(content) <= _SMALL_MASK_BYTES else _decode_mask(content)


def _decode_mask(content: bytes) -> NDArray[np.bool_]:
    _require_kind(content, ("PNG",), MASK_MODES)
    with _decoding():
        pixels = png.decode_black_and_white(content)  # [H, W]
    mask: NDArray[np.bool_] = pixels == 255
    if np.count_nonzero(mask) != np.count_nonzero(pixels):
        other = pixels[~mask & (pixels != 0)]
        raise BadImage(f"expected the values 0 and 255, got {other[0]}")
    mask.flags.writeable = False
    return mask


_decode_small_mask = functools.lru_cache(maxsize=32)(_decode_mask)


def band_histogram(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Counts the valid pixels by value.

    Args:
      pixels: uint8 [H, W, B], B 1 or 3.
      valid: bool [H, W].

    Returns:
      int64 [B, 256].
    """
    num_bands = pixels.shape[-1]
    # Pillow counts all bands in one pass in C and without the interpreter lock, twice as fast as numpy.bincount.
    image = Image.fromarray(pixels if num_bands > 1 else pixels[..., 0])
    mask = None if valid.all() else Image.fromarray(valid.astype(np.uint8) * np.uint8(255))
    return np.asarray(image.histogram(mask), np.int64).reshape(num_bands, 256)
