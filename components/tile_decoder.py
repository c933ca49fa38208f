"""Decodes a record without a graph, straight into a batch: the very pixels that tfrecords.decode_image gives."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import jpeg
from components.jpeg import DamagedImage
from components.mask_png import packed_mask
from components.tile_record import Record


def decode_tile(record: Record, ratio: int, parts: Sequence[NDArray[np.uint8]], valid_bits: NDArray[np.uint8]) -> None:
    """Decodes a tile's images into arrays of the side S, resizing what has another size.

    Args:
      ratio: From tfrecords.decoder_ratio.
      parts: For RGB, uint8 [S, S, 3], and where there is NIR, for that, uint8 [S, S, 1]; C-contiguous.
      valid_bits: For the valid pixels, uint8 [S, S / 8 rounded up], a bit each, the first pixel's the highest.

    Raises:
      DamagedImage: if an image is damaged, or RGB and NIR are not of one size.
    """
    sizes = {
        _decode_bands(content, ratio, part) for content, part in zip((record.rgb, record.nir), parts, strict=False)
    }
    if len(sizes) > 1:
        raise DamagedImage("RGB and NIR are not of one size")
    if record.valid_mask:
        _decode_mask(record.valid_mask, valid_bits)
    else:
        valid_bits.fill(255)


def _decode_bands(content: bytes, ratio: int, part: NDArray[np.uint8]) -> tuple[int, ...]:
    """Returns the sides that the image has before it is resized."""
    pixels = jpeg.decode(content, part.shape[-1], ratio, into=part)
    if pixels is not part:
        part[...] = pixels if pixels.shape == part.shape else _on_host("resize", pixels, len(part))
    return pixels.shape[:2]


def _decode_mask(content: bytes, valid_bits: NDArray[np.uint8]) -> None:
    try:
        packed, width = packed_mask(content)  # [h, w / 8]
    except DamagedImage as error:
        raise DamagedImage(f"valid_mask: {error}") from error
    size = len(valid_bits)
    if (len(packed), width) == (size, size):
        np.copyto(valid_bits, packed)
        return
    mask = np.unpackbits(packed, axis=1, count=width)
    times = max(len(mask) // size, 1)
    if mask.shape == (times * size, times * size):
        mask = mask[times // 2 :: times, times // 2 :: times]
    else:
        mask = _on_host("nearest_mask", mask[..., np.newaxis] << np.uint8(7), size)[..., 0]
    valid_bits[...] = np.packbits(mask, axis=1)


def _on_host(function: str, pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Calls one of the graph's own functions on the host's processor, whatever devices there are."""
    import tensorflow as tf

    from components import tfrecords  # only here, and only for tiles of another size, does decoding need TensorFlow

    with tf.device("CPU:0"):
        result: NDArray[np.uint8] = getattr(tfrecords, function)(tf.constant(pixels), size_px).numpy()
    return result
