"""Checks and decodes the source's image files.

Files decode to exactly the pixels that a model sees in training and serving, but the checks are stricter: damage that a
decoder could skip with a warning is refused here. Pillow reads the headers, because it does not touch the pixels.
"""

import functools
import io
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.records import jpeg, png

MAX_FILE_BYTES = 64 * 2**20  # a tile of the dataset has 0.1 MB
MAX_SIDE_PX = 8192  # 200 MB as decoded RGB; a header can claim far more in a few bytes

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

# Pillow warns above 89 million pixels; the limit here is lower and raises an error.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class BadImage(Exception):
    """A file that cannot be used; the message is the reason, without the file's name."""


def _open(content: bytes, formats: tuple[str, ...], modes: Sequence[str]) -> Image.Image:
    """Reads the header and refuses files that cannot be used, before they are decoded."""
    if not content:
        raise BadImage("empty file (0 bytes)")
    expected = " or ".join(formats)
    try:
        header = Image.open(io.BytesIO(content), formats=formats)
    except Image.DecompressionBombError as error:
        raise BadImage(f"header claims far more than {MAX_SIDE_PX} px a side") from error
    except Exception as error:  # damaged bytes raise anything from struct.error to SyntaxError
        raise BadImage(f"not a readable {expected} file") from error
    width, height = header.size
    if max(width, height) > MAX_SIDE_PX:
        raise BadImage(f"{width}x{height} px, at most {MAX_SIDE_PX} px a side are read")
    if header.mode not in modes:
        came = _MODE_NAMES.get(header.mode, f"mode {header.mode}")
        raise BadImage(f"expected {' or '.join(_MODE_NAMES[mode] for mode in modes)}, got {came}")
    return header


def decode_bands(content: bytes, num_bands: int, modes: Sequence[str]) -> NDArray[np.uint8]:
    """Decodes a whole JPEG or PNG.

    Returns:
      uint8 [H, W, num_bands].

    Raises:
      BadImage: if it is too large, has a mode not in `modes`, or is damaged or truncated.
    """
    _open(content, ("JPEG", "PNG"), modes)
    try:
        return jpeg.decode(content, num_bands)
    except jpeg.DamagedImage as error:
        raise BadImage("damaged or truncated") from error


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
    _open(content, ("PNG",), MASK_MODES)
    try:
        pixels = png.decode_black_and_white(content)  # [H, W]
    except png.DamagedImage as error:
        raise BadImage("damaged or truncated") from error
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
