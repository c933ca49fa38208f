"""Parses and decodes records with TensorFlow's ops, in graphs, and reads shards as tf.data.

The exported model decodes with the same ops, so training, evaluation and serving see the same pixels.
"""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

from components.agrivision import RGB_BANDS
from components.records.graph_limits import within_limits
from components.records.jpeg import decoder_ratio as decoder_ratio
from components.records.tile_record import BYTES_KEYS, FLOATS_KEYS, MASKS_KEY

Tensor: TypeAlias = tf.Tensor


def parse(serialized: Tensor, num_classes: int, label_masks: bool = False) -> dict[str, Tensor]:
    """Parses serialized records, string [] or [N].

    Args:
      label_masks: Whether the masks of the classes are wanted; the records must then have them.

    Returns:
      tile_id, field_id, rgb, nir, valid_mask: string [] or [N], images still encoded.
      labels, class_fractions: float32 [C] or [N, C].
      label_masks: string [C] or [N, C], still encoded; only if wanted.
    """
    text = tf.io.FixedLenFeature([], tf.string)
    numbers = tf.io.FixedLenFeature([num_classes], tf.float32)
    features = {**dict.fromkeys(BYTES_KEYS, text), **dict.fromkeys(FLOATS_KEYS, numbers)}
    if label_masks:
        features[MASKS_KEY] = tf.io.FixedLenFeature([num_classes], tf.string)
    # parse_example handles both ranks; parse_single_example only the first.
    return dict(tf.io.parse_example(serialized, features))


def decode_image(
    rgb: Tensor, nir: Tensor, valid_mask: Tensor, bands: Sequence[str], image_size_px: int, ratio: int
) -> tuple[Tensor, Tensor]:
    """Decodes one tile, in a graph; components/records/tile_decoder.py gives the same result without a graph.

    Args:
      rgb, nir, valid_mask: encoded, string []; an empty mask means that every pixel is valid.
      bands: the dataset's bands, RGB or RGB and NIR.
      image_size_px: side S of the result; a decoded image of another size is resized.
      ratio: from decoder_ratio.

    Returns:
      image: uint8 [S, S, B].
      valid: uint8 [S, S, 1], 1 where the pixel counts, else 0.

    Raises:
      tf.errors.InvalidArgumentError: at run time, for damaged bytes, or an image beyond the limits of graph_limits.py.
    """

    def decode(content: Tensor, channels: int) -> Tensor:
        return tf.io.decode_jpeg(
            within_limits(content), channels=channels, ratio=ratio, dct_method="INTEGER_ACCURATE"
        )  # [h, w, channels]

    parts = [decode(rgb, 3)]
    if len(bands) > len(RGB_BANDS):
        parts.append(decode(nir, 1))
        same_size = tf.reduce_all(tf.equal(tf.shape(parts[0])[:2], tf.shape(parts[1])[:2]))
        with tf.control_dependencies([tf.Assert(same_size, ["RGB and NIR are not of one size"])]):
            parts[1] = tf.identity(parts[1])
    return join_bands([resize(part, image_size_px) for part in parts]), _decode_mask(valid_mask, image_size_px, 1)


def decode_label_masks(label_masks: Tensor, image_size_px: int) -> Tensor:
    """Decodes the masks of a tile's classes, in a graph; components/records/tile_decoder.py gives the same.

    Args:
      label_masks: Encoded, string [C]; no pixel has a class whose mask is empty.
      image_size_px: Side S of the result.

    Returns:
      uint8 [C, S, S], 1 where a pixel has the class, else 0.
    """
    size = [image_size_px, image_size_px]
    return tf.map_fn(
        lambda mask: _decode_mask(mask, image_size_px, 0)[..., 0],
        label_masks,
        fn_output_signature=tf.TensorSpec(size, tf.uint8),
    )


def _decode_mask(content: Tensor, image_size_px: int, if_empty: int) -> Tensor:
    """Returns a mask, uint8 [S, S, 1], 1 or 0; `if_empty` everywhere if there is none."""
    size = [image_size_px, image_size_px]
    mask = tf.cond(
        tf.equal(tf.strings.length(content), 0),
        lambda: tf.ones([*size, 1], tf.uint8) if if_empty else tf.zeros([*size, 1], tf.uint8),
        lambda: nearest_mask(tf.io.decode_png(within_limits(content), channels=1), image_size_px),
    )
    return tf.ensure_shape(mask, [*size, 1])


def join_bands(parts: Sequence[Tensor]) -> Tensor:
    """Joins RGB and, if present, NIR, uint8 [..., S, S, 3] and [..., S, S, 1], into uint8 [..., S, S, B]."""
    return tf.concat(parts, axis=-1) if len(parts) > 1 else parts[0]


def unpack_bits(bits: Tensor) -> Tensor:
    """Returns uint8 [n, S, S, 1], 1 or 0, from packed bits, uint8 [n, S, S / 8 rounded up], highest bit first."""
    size = tf.shape(bits)[1]
    places = tf.range(7, -1, -1, tf.int32)
    spread = tf.bitwise.bitwise_and(
        tf.bitwise.right_shift(bits[..., tf.newaxis], tf.cast(places, tf.uint8)), tf.constant(1, tf.uint8)
    )  # [n, S, S / 8, 8]
    rows = tf.reshape(spread, [tf.shape(bits)[0], size, -1])[:, :, :size, tf.newaxis]
    return tf.ensure_shape(rows, [bits.shape[0], bits.shape[1], bits.shape[1], 1])


def scale_pixels(
    rgb: Tensor, nir: Tensor, valid: Tensor, bands: Sequence[str], image_size_px: int
) -> tuple[Tensor, Tensor]:
    """Scales N decoded tiles of one size as decode_image does after decoding, so that a PNG has the same result.

    Args:
      rgb, nir: uint8 [N, h, w, 3] and [N, h, w, 1]; nir is not looked at if the dataset has no such band.
      valid: uint8 [N, h, w, 1], 0 where a pixel does not count.
      bands, image_size_px: As for decode_image.

    Returns:
      image uint8 [N, S, S, B] and valid uint8 [N, S, S, 1], 1 or 0.
    """
    parts = [rgb, nir] if len(bands) > len(RGB_BANDS) else [rgb]
    mask = tf.cast(valid > 0, tf.uint8) * tf.constant(255, tf.uint8)
    scaled = [resize(part, image_size_px) for part in parts]
    size = [image_size_px, image_size_px, 1]
    return join_bands(scaled), tf.ensure_shape(nearest_mask(mask, image_size_px), [None, *size])


def resize(pixels: Tensor, image_size_px: int) -> Tensor:
    """Returns uint8 [..., S, S, b] from uint8 [..., h, w, b], resized with antialiasing unless it has that size."""
    size = [image_size_px, image_size_px]
    resized = tf.cond(
        tf.reduce_all(tf.equal(tf.shape(pixels)[-3:-1], size)),
        lambda: pixels,
        lambda: tf.cast(tf.clip_by_value(tf.round(tf.image.resize(pixels, size, antialias=True)), 0, 255), tf.uint8),
    )
    return tf.ensure_shape(resized, [*pixels.shape[:-3], *size, pixels.shape[-1]])


def nearest_mask(mask: Tensor, image_size_px: int) -> Tensor:
    """Returns uint8 [..., S, S, 1] from [..., h, w, 1], 1 where it is more than half white, by the nearest pixel."""
    size = [image_size_px, image_size_px]
    times = tf.maximum(tf.shape(mask)[-3] // image_size_px, 1)
    resized = tf.cond(
        tf.reduce_all(tf.equal(tf.shape(mask)[-3:-1], times * size)),
        # The same pixels as from tf.image.resize, which takes as long as decoding RGB even with nothing to do.
        lambda: mask[..., times // 2 :: times, times // 2 :: times, :],
        lambda: tf.image.resize(mask, size, method="nearest"),
    )
    return tf.bitwise.right_shift(resized, tf.constant(7, tf.uint8))
