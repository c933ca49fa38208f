"""Decodes a record without a graph, straight into a batch: the very pixels that tfrecords.decode_image gives."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import jpeg, tfrecords
from components.jpeg import DamagedImage
from components.mask_png import decode_mask
from components.tfrecords import Record


def decode_tile(record: Record, ratio: int, parts: Sequence[NDArray[np.uint8]], valid: NDArray[np.uint8]) -> None:
    """Decodes a tile's images into arrays of the side S, resizing what has another size.

    Args:
      ratio: From tfrecords.decoder_ratio.
      parts: For RGB, uint8 [S, S, 3], and where there is NIR, for that, uint8 [S, S, 1]; C-contiguous.
      valid: For the valid pixels, uint8 [S, S, 1], 1 or 0.

    Raises:
      DamagedImage: if an image is damaged, or RGB and NIR are not of one size.
    """
    sizes = {
        _decode_bands(content, ratio, part) for content, part in zip((record.rgb, record.nir), parts, strict=False)
    }
    if len(sizes) > 1:
        raise DamagedImage("RGB and NIR are not of one size")
    if record.valid_mask:
        _decode_mask(record.valid_mask, valid)
    else:
        valid.fill(1)


def _decode_bands(content: bytes, ratio: int, part: NDArray[np.uint8]) -> tuple[int, ...]:
    """Returns the sides that the image has before it is resized."""
    pixels = jpeg.decode(content, part.shape[-1], ratio, into=part)
    if pixels is not part:
        part[...] = pixels if pixels.shape == part.shape else _on_host(tfrecords.resize, pixels, len(part))
    return pixels.shape[:2]


def _decode_mask(content: bytes, valid: NDArray[np.uint8]) -> None:
    try:
        bits = decode_mask(content)  # [h, w]
    except DamagedImage as error:
        raise DamagedImage(f"valid_mask: {error}") from error
    times = max(bits.shape[0] // len(valid), 1)
    if bits.shape == (times * len(valid), times * len(valid)):
        np.copyto(valid[..., 0], bits[times // 2 :: times, times // 2 :: times])
    else:
        valid[...] = _on_host(tfrecords.nearest_mask, bits[..., np.newaxis] << np.uint8(7), len(valid))


def _on_host(function: object, pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Calls one of the graph's own functions on the host's processor, whatever devices there are."""
    import tensorflow as tf

    with tf.device("CPU:0"):
        result: NDArray[np.uint8] = function(tf.constant(pixels), size_px).numpy()  # type: ignore[operator]
    return result
