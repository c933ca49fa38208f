"""Decodes a record without a graph, straight into a batch, to exactly the pixels of tfrecords.decode_image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.records import jpeg
from components.records.image_header import read_header
from components.records.jpeg import DamagedImage
from components.records.mask_png import packed_mask
from components.records.tile_record import Record


def decode_tile(
    record: Record,
    ratio: int,
    parts: Sequence[NDArray[np.uint8]],
    valid_bits: NDArray[np.uint8],
    mask_bits: NDArray[np.uint8] | None = None,
) -> None:
    """Decodes a tile's images into arrays with side S, resizing images of another size.

    Args:
      ratio: From tfrecords.decoder_ratio.
      parts: Receive RGB, uint8 [S, S, 3], and, if there is NIR, NIR, uint8 [S, S, 1]; C-contiguous.
      valid_bits: Receives one bit per valid pixel, uint8 [S, S / 8 rounded up], the first pixel in the highest bit.
      mask_bits: Receives one bit per pixel that has the class, likewise, uint8 [C, S, S / 8 rounded up]; None if the
        masks of the classes are not wanted.

    Raises:
      DamagedImage: if an image is damaged or exceeds a limit of image_header.py, RGB and NIR differ in size, masks of
        classes are wanted but not there or not of the size of RGB, or a decoder fails.
    """
    try:
        _decode_tile(record, ratio, parts, valid_bits)
        if mask_bits is not None:
            _decode_label_masks(record, mask_bits)
    except DamagedImage:
        raise
    except Exception as error:  # e.g. a MemoryError while resizing: the caller names the record
        raise DamagedImage(f"its decoder failed: {type(error).__name__}") from error


def _decode_tile(record: Record, ratio: int, parts: Sequence[NDArray[np.uint8]], valid_bits: NDArray[np.uint8]) -> None:
    sizes = {
        _decode_bands(content, ratio, part) for content, part in zip((record.rgb, record.nir), parts, strict=False)
    }
    if len(sizes) > 1:
        raise DamagedImage("RGB and NIR are not of one size")
    if record.valid_mask:
        _decode_mask("valid_mask", record.valid_mask, valid_bits)
    else:
        valid_bits.fill(255)


def _decode_label_masks(record: Record, mask_bits: NDArray[np.uint8]) -> None:
    if len(record.label_masks) != len(mask_bits):
        raise DamagedImage(f"it has {len(record.label_masks)} label_masks, expected {len(mask_bits)}")
    rgb = read_header(record.rgb)
    for number, (content, bits) in enumerate(zip(record.label_masks, mask_bits, strict=True)):
        if content:
            _decode_mask(f"label mask {number}", content, bits, (rgb.height, rgb.width))
        else:
            bits.fill(0)


def _every_nth_bit(times: int) -> NDArray[np.uint8]:
    """Returns, for each byte, its bits times / 2, times / 2 + times, ... counted from the highest, packed together."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1)[:, times // 2 :: times]
    powers = 1 << np.arange(bits.shape[1])[::-1]
    table: NDArray[np.uint8] = (bits * powers).sum(axis=1).astype(np.uint8)
    return table


_THINNED = {times: _every_nth_bit(times) for times in (2, 4, 8)}


def _decode_bands(content: bytes, ratio: int, part: NDArray[np.uint8]) -> tuple[int, ...]:
    """Returns the sides of the image before it is resized."""
    pixels = jpeg.decode(content, part.shape[-1], ratio, into=part)
    if pixels is not part:
        part[...] = pixels if pixels.shape == part.shape else _on_host("resize", pixels, len(part))
    return pixels.shape[:2]


def _decode_mask(
    role: str, content: bytes, mask_bits: NDArray[np.uint8], expected: tuple[int, int] | None = None
) -> None:
    """Decodes a mask; `expected` is the height and width that it must have, if they matter."""
    try:
        packed, width = packed_mask(content)  # [h, w / 8]
    except DamagedImage as error:
        raise DamagedImage(f"{role}: {error}") from error
    if expected and (len(packed), width) != expected:
        # There is one for each class: of any size, a small record could take minutes to decode.
        raise DamagedImage(f"{role}: {width}x{len(packed)} px, but the rgb has {expected[1]}x{expected[0]} px")
    size = len(mask_bits)
    if (len(packed), width) == (size, size):
        np.copyto(mask_bits, packed)
        return
    times = max(len(packed) // size, 1)
    is_multiple = (len(packed), width) == (times * size, times * size)
    if is_multiple and times in _THINNED and size % 8 == 0:
        mask_bits[...] = _thin(packed[times // 2 :: times], times)
        return
    mask = np.unpackbits(packed, axis=1, count=width)
    if is_multiple:
        mask = mask[times // 2 :: times, times // 2 :: times]
    else:
        mask = _on_host("nearest_mask", mask[..., np.newaxis] << np.uint8(7), size)[..., 0]
    mask_bits[...] = np.packbits(mask, axis=1)


def _thin(packed: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Returns every `times`-th bit of each row of bytes, packed; unpacking all bits would take ten times as long."""
    bits = _THINNED[times][packed]
    thin = bits[:, 0::times] << np.uint8(8 - 8 // times)
    for place in range(1, times):
        thin |= bits[:, place::times] << np.uint8(8 - 8 // times * (place + 1))
    return thin


def _on_host(function: str, pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Calls one of tfrecords' functions on the host's CPU, even if there is a GPU."""
    import tensorflow as tf

    from components.records import (
        tfrecords,  # only here does decoding need TensorFlow, and only for tiles of another size
    )

    with tf.device("CPU:0"):
        result: NDArray[np.uint8] = getattr(tfrecords, function)(tf.constant(pixels), size_px).numpy()
    return result
