"""A tile as a `tf.train.Example`, and shards as tf.data. The only file that knows the feature keys.

One record holds one tile: the source's own image bytes, so that nothing is lost by encoding twice,
and its labels over the manifest's class list. Decoding happens on the reader's side, by the very
ops that the exported model uses, so that training, evaluation and serving see the same pixels.
"""

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf
from google.protobuf.message import DecodeError

from components.agrivision import RGB_BANDS

Tensor: TypeAlias = tf.Tensor

# The JPEG decoder can decode at 1/2, 1/4 and 1/8 of the size, several times faster than decoding whole.
_DECODER_RATIOS = (8, 4, 2)


@dataclasses.dataclass(frozen=True)
class Record:
    """One tile.

    Attributes:
      rgb: JPEG (or PNG) bytes, 3 bands.
      nir: JPEG (or PNG) bytes, 1 band; empty for RGB-only data.
      valid_mask: PNG bytes, 1 band, 255 where a pixel counts; empty if all do.
      labels: 1.0 where the tile has the class, [C].
      class_fractions: Share of the valid pixels by class, in 0..1, [C].
    """

    tile_id: str
    field_id: str
    rgb: bytes
    nir: bytes
    valid_mask: bytes
    labels: Sequence[float]
    class_fractions: Sequence[float]


def serialize(record: Record) -> bytes:
    """Returns the record as a serialized `tf.train.Example`, equal bytes for equal records."""

    def _bytes(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def _floats(values: Sequence[float]) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                "tile_id": _bytes(record.tile_id.encode()),
                "field_id": _bytes(record.field_id.encode()),
                "rgb": _bytes(record.rgb),
                "nir": _bytes(record.nir),
                "valid_mask": _bytes(record.valid_mask),
                "labels": _floats(record.labels),
                "class_fractions": _floats(record.class_fractions),
            }
        )
    )
    # A map has no order of its own; deterministic serialization sorts it.
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized


def deserialize(serialized: bytes, num_classes: int) -> Record:
    """Returns the record that serialize was given.

    Raises:
      ValueError: if it is none, or has another number of classes.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
        tile_id, field_id, rgb, nir, valid_mask = (
            features[key].bytes_list.value[0] for key in ("tile_id", "field_id", "rgb", "nir", "valid_mask")
        )
        labels, fractions = (list(features[key].float_list.value) for key in ("labels", "class_fractions"))
        if len(labels) != num_classes:
            raise ValueError(f"it has {len(labels)} labels, expected {num_classes}")
        return Record(tile_id.decode(), field_id.decode(), rgb, nir, valid_mask, labels, fractions)
    except (DecodeError, IndexError) as error:
        raise ValueError("it is not a tile") from error


def parse(serialized: Tensor, num_classes: int) -> dict[str, Tensor]:
    """Parses serialized records, string [] or [N].

    Returns:
      tile_id, field_id, rgb, nir, valid_mask: string [] or [N], images still encoded.
      labels, class_fractions: float32 [C] or [N, C].
    """
    text = tf.io.FixedLenFeature([], tf.string)
    numbers = tf.io.FixedLenFeature([num_classes], tf.float32)
    features = {
        "tile_id": text,
        "field_id": text,
        "rgb": text,
        "nir": text,
        "valid_mask": text,
        "labels": numbers,
        "class_fractions": numbers,
    }
    # parse_example handles both ranks; parse_single_example only the first.
    return dict(tf.io.parse_example(serialized, features))


def parse_names(serialized: Tensor) -> dict[str, Tensor]:
    """Parses only tile_id, field_id and rgb, string [] or [N], of serialized records of whatever classes."""
    text = tf.io.FixedLenFeature([], tf.string)
    return dict(tf.io.parse_example(serialized, {"tile_id": text, "field_id": text, "rgb": text}))


def decoder_ratio(tile_sizes: Sequence[str], image_size_px: int) -> int:
    """Returns how far the JPEG decoder may scale down, 1, 2, 4 or 8, for tiles of these sizes "<width>x<height>".

    1 unless every tile is square, of one size, and still at least `image_size_px` after scaling.
    """
    if len(tile_sizes) != 1:
        return 1
    width, height = (int(side) for side in tile_sizes[0].split("x"))
    if width != height:
        return 1
    return next((r for r in _DECODER_RATIOS if width % r == 0 and width // r >= image_size_px), 1)


def decode_image(
    rgb: Tensor, nir: Tensor, valid_mask: Tensor, bands: Sequence[str], image_size_px: int, ratio: int
) -> tuple[Tensor, Tensor]:
    """Decodes one tile, in a graph; components/tile_decoder.py gives the same without one.

    Args:
      rgb, nir, valid_mask: encoded, string []; an empty mask means that every pixel is valid.
      bands: the dataset's bands, RGB or RGB and NIR.
      image_size_px: side S of the result; the decoded image is resized if it has another size.
      ratio: from decoder_ratio.

    Returns:
      image: uint8 [S, S, B].
      valid: uint8 [S, S, 1], 1 where the pixel counts, else 0.

    Raises:
      tf.errors.InvalidArgumentError: when run, for damaged bytes.
    """
    parts = [tf.io.decode_jpeg(rgb, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")]  # [h, w, 3]
    if len(bands) > len(RGB_BANDS):
        parts.append(tf.io.decode_jpeg(nir, channels=1, ratio=ratio, dct_method="INTEGER_ACCURATE"))  # [h, w, 1]
        same_size = tf.reduce_all(tf.equal(tf.shape(parts[0])[:2], tf.shape(parts[1])[:2]))
        with tf.control_dependencies([tf.Assert(same_size, ["RGB and NIR are not of one size"])]):
            parts[1] = tf.identity(parts[1])
    size = [image_size_px, image_size_px]
    valid = tf.cond(
        tf.equal(tf.strings.length(valid_mask), 0),
        lambda: tf.ones([*size, 1], tf.uint8),
        lambda: nearest_mask(tf.io.decode_png(valid_mask, channels=1), image_size_px),
    )
    return join_bands([resize(part, image_size_px) for part in parts]), tf.ensure_shape(valid, [*size, 1])


def join_bands(parts: Sequence[Tensor]) -> Tensor:
    """Joins RGB and, where there is one, NIR, uint8 [..., S, S, 3] and [..., S, S, 1], to uint8 [..., S, S, B]."""
    return tf.concat(parts, axis=-1) if len(parts) > 1 else parts[0]


def resize(pixels: Tensor, image_size_px: int) -> Tensor:
    """Returns uint8 [S, S, b] from uint8 [h, w, b], resized with antialiasing unless it has the size."""
    size = [image_size_px, image_size_px]
    resized = tf.cond(
        tf.reduce_all(tf.equal(tf.shape(pixels)[:2], size)),
        lambda: pixels,
        lambda: tf.cast(tf.clip_by_value(tf.round(tf.image.resize(pixels, size, antialias=True)), 0, 255), tf.uint8),
    )
    return tf.ensure_shape(resized, [*size, pixels.shape[-1]])


def nearest_mask(mask: Tensor, image_size_px: int) -> Tensor:
    """Returns uint8 [S, S, 1] from uint8 [h, w, 1], 1 where the mask is more than half white, by the nearest pixel."""
    size = [image_size_px, image_size_px]
    times = tf.maximum(tf.shape(mask)[0] // image_size_px, 1)
    resized = tf.cond(
        tf.reduce_all(tf.equal(tf.shape(mask)[:2], times * size)),
        # The same pixels as by tf.image.resize, which takes as long as decoding RGB even if there is nothing to do.
        lambda: mask[times // 2 :: times, times // 2 :: times],
        lambda: tf.image.resize(mask, size, method="nearest"),
    )
    return tf.bitwise.right_shift(resized, tf.constant(7, tf.uint8))


def serialized_records(paths: Sequence[str]) -> tf.data.Dataset:
    """Returns a dataset of serialized records, string [], shard by shard in the order of `paths` (local or `gs://`)."""
    return tf.data.TFRecordDataset(list(paths))
