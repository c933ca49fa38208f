"""Decodes JPEG and PNG into the caller's array: exactly the pixels of TensorFlow's decoder, a fifth faster.

TensorFlow's op allocates a new array for every image, which must then be copied into a batch. The few images that need
it (JPEG in CMYK, PNG in colour for a grey band) still go to TensorFlow's decoder. So a tile has the same pixels in the
shard step, in training and in the exported model, which decodes in its graph.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from components.records import png
from components.records.image_header import DamagedImage as DamagedImage
from components.records.image_header import read_header

_COLOUR_SPACES = {3: "RGB", 1: "GRAY"}  # by number of bands
# The decoder can decode at 1/2, 1/4 and 1/8 of the size, several times faster than at full size.
_RATIOS = (8, 4, 2)
_OF_TENSORFLOW = ("CMYK", "YCCK")
_UNUSUAL = "subsampling level"  # in the error for an image, mostly CMYK, with a subsampling TurboJPEG cannot name


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
        _, _, colour_space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError as error:
        return _UNUSUAL in str(error)
    return colour_space in _OF_TENSORFLOW


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
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError as error:
        if _UNUSUAL in str(error):
            return _by_tensorflow(content, num_bands, ratio)
        raise DamagedImage(str(error)) from error
    if colour_space in _OF_TENSORFLOW:
        return _by_tensorflow(content, num_bands, ratio)
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
