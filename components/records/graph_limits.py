"""The limits of image_header.py within a graph, for TensorFlow's decoders, which allocate what a header claims.

The exported model decodes in its graph, and so does whatever serves it. Everything that image_header.py accepts is
accepted here. Second headers and floods of empty chunks need no check: TensorFlow's libraries refuse the former, and
pass over the latter in a fraction of a second.
"""

from typing import TypeAlias

import tensorflow as tf

from components.records.image_header import (
    COMPRESSED_TEXTS,
    JPEG_START,
    MAX_FILE_BYTES,
    MAX_PIXELS,
    MAX_SCANNED_PIXELS,
    MAX_SCANS,
    MAX_SIDE_PX,
    MAX_TEXTS,
    PNG_HEADER,
    PNG_START,
    START_OF_SCAN,
)

Tensor: TypeAlias = tf.Tensor

_PNG_SIZE_BYTES = 8  # width and height
_SMALLEST_PNG_BYTES = len(PNG_START) + PNG_HEADER.size
_REFUSAL = (
    f"an image exceeds a limit: {MAX_SIDE_PX} px a side, {MAX_PIXELS:,} pixels, {MAX_FILE_BYTES >> 20} MiB, "
    f"{MAX_SCANS:,} scans, {MAX_SCANNED_PIXELS:,} scanned pixels; it has [height, width, scans, bytes]"
)


def within_limits(content: Tensor) -> Tensor:
    """Returns an encoded image, string [], unchanged.

    Raises:
      tf.errors.InvalidArgumentError: when run, if it is neither JPEG nor PNG, or exceeds a limit.
    """
    content = tf.convert_to_tensor(content)
    num_bytes = tf.strings.length(content)
    height, width, num_scans = tf.unstack(_size(content))
    num_pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    conditions = [
        num_bytes <= MAX_FILE_BYTES,
        tf.minimum(height, width) > 0,  # a PNG's sides of 32 bits can be read as negative
        tf.maximum(height, width) <= MAX_SIDE_PX,
        num_pixels <= MAX_PIXELS,
        num_scans <= MAX_SCANS,
        num_pixels * tf.cast(num_scans, tf.int64) <= MAX_SCANNED_PIXELS,
    ]
    return _checked(content, tf.reduce_all(tf.stack(conditions)), [_REFUSAL, height, width, num_scans, num_bytes])


def sides_of(content: Tensor) -> Tensor:
    """Returns the height and width that an encoded image, string [], claims, int32 [2].

    Raises:
      tf.errors.InvalidArgumentError: when run, if it is neither JPEG nor PNG.
    """
    return _size(tf.convert_to_tensor(content))[:2]


def with_sides(content: Tensor, expected: Tensor, what: str) -> Tensor:
    """Returns an encoded image, string [], unchanged.

    Raises:
      tf.errors.InvalidArgumentError: when run, if it does not claim the height and width `expected`, int32 [2].
    """
    sides = sides_of(content)
    return _checked(
        content, tf.reduce_all(tf.equal(sides, expected)), [f"{what} are not of one size:", sides, expected]
    )


def _size(content: Tensor) -> Tensor:
    """Returns height, width, and number of scans, which is 0 for a PNG, int32 [3]."""
    is_jpeg = tf.equal(tf.strings.substr(content, 0, len(JPEG_START)), JPEG_START)
    return tf.cond(is_jpeg, lambda: _jpeg_size(content), lambda: _png_size(content))


def _jpeg_size(content: Tensor) -> Tensor:
    shape = tf.image.extract_jpeg_shape(content)
    return tf.stack([shape[0], shape[1], _count(content, START_OF_SCAN, MAX_SCANS)])


def _png_size(content: Tensor) -> Tensor:
    begins_as_png = tf.equal(tf.strings.substr(content, 0, len(PNG_START)), PNG_START)
    is_png = begins_as_png & (tf.strings.length(content) >= _SMALLEST_PNG_BYTES)
    content = _checked(content, is_png, ["expected a JPEG or PNG"])
    num_texts = tf.add_n([_count(content, name, MAX_TEXTS) for name in COMPRESSED_TEXTS])
    content = _checked(content, num_texts <= MAX_TEXTS, [f"a PNG has more than {MAX_TEXTS} compressed texts"])
    sides = tf.io.decode_raw(tf.strings.substr(content, len(PNG_START), _PNG_SIZE_BYTES), tf.int32, little_endian=False)
    return tf.stack([sides[1], sides[0], 0])


def _count(content: Tensor, wanted: bytes, most: int) -> Tensor:
    """Returns how often `wanted` is in `content`, int32 []; at most one more than `most`."""
    # A string is split into one part more than it has separators.
    parts = tf.raw_ops.StringSplitV2(input=content[tf.newaxis], sep=wanted, maxsplit=most + 1)
    return tf.size(parts.values) - 1


def _checked(content: Tensor, condition: Tensor, data: list[Tensor | str]) -> Tensor:
    # The bare operation: tf.Assert would wrap it into a conditional, which takes longer than the check.
    with tf.control_dependencies([tf.raw_ops.Assert(condition=condition, data=data, summarize=1)]):
        return tf.identity(content)
