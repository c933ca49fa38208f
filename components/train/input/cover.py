"""Valid mask and class masks of tiles in one tensor, so that augmentation moves all of them as it moves one.

The cover of a pixel is a row of bits, eight to a byte, the lowest first: whether the pixel counts, then whether it has
class 0, class 1 and so on. Bytes and not wider integers, because every device can do with them what is done to images.
The cover for a head that only answers for tiles is the valid mask alone, as it has always been.
"""

import functools
from typing import Any

import tensorflow as tf

from components.records import tfrecords


def cover_of_bits(valid_bits: Any, mask_bits: Any) -> Any:
    """Returns the cover, uint8 [n, S, S, P].

    Args:
      valid_bits: As of Batch, uint8 [n, S, S / 8 rounded up].
      mask_bits: As of Batch, uint8 [n, C, S, S / 8 rounded up].
    """
    bits = tf.concat([valid_bits[:, tf.newaxis], mask_bits], axis=1)  # [n, 1 + C, S, S / 8]
    size, num_bits = bits.shape[2], bits.shape[1]
    planes = tfrecords.unpack_bits(tf.reshape(bits, [-1, size, bits.shape[3]]))
    return cover_of_planes(tf.reshape(planes, [-1, num_bits, size, size]))


def cover_of_planes(planes: Any) -> Any:
    """Returns the cover, uint8 [n, S, S, P], of valid mask and class masks, uint8 [n, 1 + C, S, S], 1 or 0."""
    bytes_of_pixel = []
    for first in range(0, planes.shape[1], 8):
        eight = [
            tf.bitwise.left_shift(planes[:, bit], tf.constant(bit - first, tf.uint8))
            for bit in range(first, min(first + 8, planes.shape[1]))
        ]
        bytes_of_pixel.append(functools.reduce(tf.bitwise.bitwise_or, eight))
    return tf.stack(bytes_of_pixel, axis=-1)


def valid_of(cover: Any) -> Any:
    """Returns the valid mask, uint8 [n, S, S, 1], 1 or 0."""
    return tf.bitwise.bitwise_and(cover[..., :1], tf.constant(1, tf.uint8))


def classes_of(cover: Any, num_classes: int) -> Any:
    """Returns the class masks, uint8 [n, C, S, S], 1 or 0."""
    planes = [
        tf.bitwise.right_shift(cover[..., bit // 8], tf.constant(bit % 8, tf.uint8))
        for bit in range(1, num_classes + 1)
    ]
    return tf.bitwise.bitwise_and(tf.stack(planes, axis=1), tf.constant(1, tf.uint8))
