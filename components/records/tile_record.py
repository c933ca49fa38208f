"""A tile as a record of a shard: a serialized `tf.train.Example`, made and read without TensorFlow.

One record holds one tile: the source's own image bytes, so nothing is lost by encoding twice, and its labels over the
manifest's class list. Only this file knows the feature keys.

TensorFlow takes seconds and hundreds of megabytes to load, and the steps that make and check shards need nothing else
from it. So the message is our own, generated from example.proto next to this file; its bytes are TensorFlow's.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from components.records import example_pb2
from components.records.record_file import MAX_RECORD_BYTES

_Example: Any = example_pb2.Example  # type: ignore[attr-defined]  # the class is made on import

BYTES_KEYS = ("tile_id", "field_id", "rgb", "nir", "valid_mask")  # one value each
FLOATS_KEYS = ("labels", "class_fractions")  # one value per class each
MASKS_KEY = "label_masks"  # one value per class; absent where a dataset stores none


@dataclasses.dataclass(frozen=True)
class Record:
    """One tile.

    Attributes:
      rgb: JPEG (or PNG) bytes, 3 bands.
      nir: JPEG (or PNG) bytes, 1 band; empty for RGB-only data.
      valid_mask: PNG bytes, 1 band, 255 where a pixel counts; empty if all do.
      labels: 1.0 where the tile has the class, [C].
      class_fractions: Share of the valid pixels by class, in 0..1, [C].
      label_masks: PNG bytes by class, 1 band, of the size of `rgb`, 255 where a valid pixel has it; empty if none has;
        [C], or [] if the dataset stores none.
    """

    tile_id: str
    field_id: str
    rgb: bytes
    nir: bytes
    valid_mask: bytes
    labels: Sequence[float]
    class_fractions: Sequence[float]
    label_masks: Sequence[bytes] = ()


def serialize(record: Record) -> bytes:
    """Returns the record as a serialized `tf.train.Example`, equal bytes for equal records."""
    example = _Example()
    features = example.features.feature
    for key, value in (
        ("tile_id", record.tile_id.encode()),
        ("field_id", record.field_id.encode()),
        ("rgb", record.rgb),
        ("nir", record.nir),
        ("valid_mask", record.valid_mask),
    ):
        features[key].bytes_list.value.append(value)
    features["labels"].float_list.value.extend(record.labels)
    features["class_fractions"].float_list.value.extend(record.class_fractions)
    if record.label_masks:  # else the record has the bytes that it had before there were any
        features[MASKS_KEY].bytes_list.value.extend(record.label_masks)
    # A map has no order of its own; deterministic serialization sorts it.
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized


def deserialize(serialized: bytes, num_classes: int) -> Record:
    """Returns the record that serialize was given.

    Raises:
      ValueError: if it is none, has another number of classes, or is too large.
    """
    try:
        features = _features(serialized)
        tile_id, field_id, rgb, nir, valid_mask = (features[key].bytes_list.value[0] for key in BYTES_KEYS)
        numbers = [features[key].float_list.value for key in FLOATS_KEYS]
        # Counted before they become a list, which takes nine times the memory.
        for key, values in zip(FLOATS_KEYS, numbers, strict=True):
            if len(values) != num_classes:
                raise ValueError(f"it has {len(values)} {key}, expected {num_classes}")
        labels, fractions = map(list, numbers)
        masks = features[MASKS_KEY].bytes_list.value if MASKS_KEY in features else ()
        if masks and len(masks) != num_classes:
            raise ValueError(f"it has {len(masks)} {MASKS_KEY}, expected {num_classes}, or none")
        return Record(tile_id.decode(), field_id.decode(), rgb, nir, valid_mask, labels, fractions, tuple(masks))
    except (DecodeError, IndexError) as error:
        raise ValueError("it is not a tile") from error


def tile_names(serialized: bytes) -> tuple[str, str, bytes]:
    """Returns tile_id, field_id and rgb of a record of whatever classes.

    Raises:
      ValueError: if it is no tile, or is too large.
    """
    try:
        features = _features(serialized)
        tile_id, field_id, rgb = (features[key].bytes_list.value[0] for key in ("tile_id", "field_id", "rgb"))
        return tile_id.decode(), field_id.decode(), rgb
    except (DecodeError, IndexError) as error:
        raise ValueError("it is not a tile") from error


def _features(serialized: bytes) -> Any:
    if len(serialized) > MAX_RECORD_BYTES:
        raise ValueError(f"it has {len(serialized) >> 20} MiB, at most {MAX_RECORD_BYTES >> 20} MiB are read")
    return _Example.FromString(serialized).features.feature
