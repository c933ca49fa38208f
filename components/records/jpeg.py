"""Decodes JPEG and PNG into the caller's array: exactly the pixels of TensorFlow's decoder, a fifth faster.

TensorFlow's op allocates a new array for every image, which must then be copied into a batch. The few images that need
it (JPEG in CMYK, PNG in colour for a grey band) still go to TensorFlow's decoder. So a tile has the same pixels in the
shard step, in training and in the exported model, which decodes in its graph.
"""

import re
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from components.records import png
from components.records.image_header import FRAMES_READ, MAX_SEGMENTS, BeyondLimits, read_header
from components.records.image_header import DamagedImage as DamagedImage

_COLOUR_SPACES = {3: "RGB", 1: "GRAY"}  # by number of bands
# The decoder can decode at 1/2, 1/4 and 1/8 of the size, several times faster than at full size.
_RATIOS = (8, 4, 2)
_OF_TENSORFLOW = ("CMYK", "YCCK")
_UNUSUAL = "subsampling level"  # in the error for an image, mostly CMYK, with a subsampling TurboJPEG cannot name
# Of so few pixels a side, several scales have one size, of which simplejpeg takes another one than TensorFlow.
_SMALL_PX = 8

# The next marker that has a meaning of its own: no zero after a byte of 255 in the data, no restart, no filling.
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_LENGTH = struct.Struct(">H")
_WITHOUT_CONTENT = (0x01, 0xD8)
_END, _SCAN, _PROGRESSIVE = 0xD9, 0xDA, (0xC2, 0xCA)
_MOST_SEGMENTS = 10 * MAX_SEGMENTS  # of the whole file; a progressive one has a table or two for each scan
_COEFFICIENTS = 64  # of a block
_UNKNOWN = 255  # bits of a coefficient that no scan has told of


def decoder_ratio(tile_sizes: Sequence[str], image_size_px: int) -> int:
    """Returns by how much the JPEG decoder may scale down, 1, 2, 4 or 8, for tiles of these sizes "<width>x<height>".

    It is 1 unless all tiles are square, of the same size, and still at least `image_size_px` after scaling.
    """
    if len(tile_sizes) != 1:
        return 1
    width, height = (int(side) for side in tile_sizes[0].split("x"))
    if width != height:
        return 1
    return next((r for r in _RATIOS if width % r == 0 and width // r >= image_size_px), 1)


def needs_tensorflow(content: bytes) -> bool:
    """Tells whether a JPEG is left to TensorFlow: it is in CMYK, or has a subsampling that TurboJPEG cannot name."""
    try:
        return _sides(content) is None
    except DamagedImage:
        return False


def _sides(content: bytes) -> tuple[int, int] | None:
    """Returns the height and width of a JPEG that TurboJPEG decodes; None for one that is left to TensorFlow."""
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(content)
    except KeyError:  # 4:4:1, which TurboJPEG names and simplejpeg does not know
        return None
    except ValueError as error:
        if _UNUSUAL in str(error):
            return None
        raise DamagedImage(str(error)) from error
    return None if colour_space in _OF_TENSORFLOW else (height, width)


def decode(content: bytes, num_bands: int, ratio: int = 1, into: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Decodes a JPEG or PNG.

    Args:
      num_bands: 3 for RGB, 1 for grey.
      ratio: 1, 2, 4 or 8; the JPEG decoder divides the sides by it, rounding up. A PNG is not scaled.
      into: C-contiguous uint8 [h, w, num_bands] for the pixels, used if the image has exactly this size.

    Returns:
      uint8 [H, W, num_bands]; `into` itself if it was used.

    Raises:
      DamagedImage: for any damage, even a few wrong bytes that a decoder could skip, for an image beyond the limits of
        image_header.py, and if a decoder fails.
    """
    try:
        return _decode(content, num_bands, ratio, into)
    except DamagedImage:
        raise
    except Exception as error:  # whatever a decoder trips over, a MemoryError too: one image must not end a run
        raise DamagedImage(f"its decoder failed: {type(error).__name__}") from error


def _decode(content: bytes, num_bands: int, ratio: int, into: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    if read_header(content).format == "PNG":
        decoded = png.decode(content, num_bands)
        return _by_tensorflow(content, num_bands, 1) if decoded is None else decoded
    _require_every_scan(content)
    sides = _sides(content)
    if sides is None or (ratio > 1 and max(sides) <= _SMALL_PX):
        return _by_tensorflow(content, num_bands, ratio)
    height, width = sides
    shape = (-(-height // ratio), -(-width // ratio), num_bands)
    buffer = into if into is not None and into.shape == shape else np.empty(shape, np.uint8)
    # The decoder takes the smallest scale at which the image is at least this large: 1 / ratio.
    scaled = {"min_height": shape[0], "min_width": shape[1]} if ratio > 1 else {}
    try:
        decoded = simplejpeg.decode_jpeg(content, _COLOUR_SPACES[num_bands], buffer=buffer, **scaled)
    except ValueError as error:
        raise DamagedImage(str(error)) from error
    if decoded.shape != shape:
        raise DamagedImage(f"decoded to {decoded.shape}, expected {shape}")
    return buffer


def _require_every_scan(content: bytes) -> None:
    """Refuses a JPEG that ends between two scans, for which no decoder has a warning.

    Of a progressive one, each then guesses in its own way what is missing.

    Raises:
      DamagedImage: if a coefficient of a component is missing, or the last bits of one.
    """
    try:
        missing = _bits_missing(content)
    except (IndexError, struct.error) as error:
        raise DamagedImage("it is cut off within a segment") from error
    if missing.any():
        raise DamagedImage("it is cut off: its last scans are missing")


def _bits_missing(content: bytes) -> NDArray[np.uint8]:
    """Returns how many of the lowest bits of each coefficient the scans leave out, [components, 64]."""
    bits, components, is_progressive = np.zeros((0, _COEFFICIENTS), np.uint8), b"", False
    at = 0
    for _ in range(_MOST_SEGMENTS):
        found = _NEXT_MARKER.search(content, at)
        if found is None or content[found.end() - 1] == _END:
            return bits
        marker, at = content[found.end() - 1], found.end()
        if marker in _WITHOUT_CONTENT:
            continue
        if marker in FRAMES_READ:
            is_progressive = marker in _PROGRESSIVE
            components = bytes(content[at + 8 + 3 * number] for number in range(content[at + 7]))
            bits = np.full((len(components), _COEFFICIENTS), _UNKNOWN, np.uint8)
        elif marker == _SCAN:
            after = at + 3 + 2 * content[at + 2]
            first, last, left_out = (0, 63, 0)
            if is_progressive:
                first, last, left_out = content[after], content[after + 1], content[after + 2] & 15
            bits[_named(components, content[at + 3 : after : 2]), first : last + 1] = left_out
            if not is_progressive and not bits.any():
                return bits  # the usual case, which needs no look at the data
        at += max(_LENGTH.unpack_from(content, at)[0], _LENGTH.size)
    raise BeyondLimits(f"at most {_MOST_SEGMENTS:,} segments are read")


def _named(components: bytes, wanted: bytes) -> list[int]:
    """Returns the places of a scan's components; of two with one name a decoder takes the first one that is left."""
    places: list[int] = []
    for name in wanted:
        places += [place for place, own in enumerate(components) if own == name and place not in places][:1]
    return places


def decode_16_bits(content: bytes, num_bands: int) -> NDArray[np.uint16]:
    """Decodes a PNG of 16 bits in full; alpha is dropped, and grey repeated in every band.

    Returns:
      uint16 [H, W, num_bands].

    Raises:
      DamagedImage: unless it is complete, undamaged, and within the limits of image_header.py.
    """
    if (grey := png.grey_16_bits(content)) is not None:
        return np.repeat(grey, num_bands, axis=-1)
    import tensorflow as tf  # Pillow cuts colour to 8 bits

    try:
        with tf.device("CPU:0"):
            decoded: Any = tf.io.decode_png(content, channels=num_bands, dtype=tf.uint16)
    except tf.errors.InvalidArgumentError as error:
        raise DamagedImage(str(error.message)) from error
    pixels: NDArray[np.uint16] = decoded.numpy()
    return pixels


def _by_tensorflow(content: bytes, num_bands: int, ratio: int) -> NDArray[np.uint8]:
    import tensorflow as tf  # takes seconds to load, and most images do not need it

    try:
        with tf.device("CPU:0"):
            decoded: Any = tf.io.decode_jpeg(content, channels=num_bands, ratio=ratio, dct_method="INTEGER_ACCURATE")
    except tf.errors.InvalidArgumentError as error:
        raise DamagedImage(str(error.message)) from error
    pixels: NDArray[np.uint8] = decoded.numpy()
    return pixels
