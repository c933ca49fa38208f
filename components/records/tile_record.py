"""A tile as a record of a shard: a serialized `tf.train.Example`, made and read without TensorFlow.

One record holds one tile: the source's own image bytes, so nothing is lost by encoding twice, and its labels over the
manifest's class list. Only this file knows the feature keys.

TensorFlow takes seconds and hundreds of megabytes to load, and the steps that make and check shards need nothing else
from it. So this file builds the message from its definition (tensorflow/core/example/example.proto and feature.proto)
with protobuf alone, in a pool separate from TensorFlow's.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

BYTES_KEYS = ("tile_id", "field_id", "rgb", "nir", "valid_mask")  # one value each
FLOATS_KEYS = ("labels", "class_fractions")  # one value per class each


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


def _example_type() -> Any:
    """Returns the class of the message `Example`, with the field numbers and types of TensorFlow's."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="agrivision", syntax="proto3")
    kinds = {"BytesList": field.TYPE_BYTES, "FloatList": field.TYPE_FLOAT, "Int64List": field.TYPE_INT64}
    for name, kind in kinds.items():
        values = file.message_type.add(name=name).field
        values.add(name="value", number=1, type=kind, label=field.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes_list", "float_list", "int64_list"), start=1):
        feature.field.add(
            name=name,
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".agrivision.{name.title().replace('_', '')}",
            label=field.LABEL_OPTIONAL,
            oneof_index=0,
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(
        name="value", number=2, type=field.TYPE_MESSAGE, type_name=".agrivision.Feature", label=field.LABEL_OPTIONAL
    )
    features.field.add(
        name="feature",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=".agrivision.Features.FeatureEntry",
        label=field.LABEL_REPEATED,
    )
    example = file.message_type.add(name="Example")
    example.field.add(
        name="features", number=1, type=field.TYPE_MESSAGE, type_name=".agrivision.Features", label=field.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("agrivision.Example"))


_Example = _example_type()


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
    # A map has no order of its own; deterministic serialization sorts it.
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized


def deserialize(serialized: bytes, num_classes: int) -> Record:
    """Returns the record that serialize was given.

    Raises:
      ValueError: if it is none, or has another number of classes.
    """
    try:
        features = _Example.FromString(serialized).features.feature
        tile_id, field_id, rgb, nir, valid_mask = (features[key].bytes_list.value[0] for key in BYTES_KEYS)
        labels, fractions = (list(features[key].float_list.value) for key in FLOATS_KEYS)
        if len(labels) != num_classes:
            raise ValueError(f"it has {len(labels)} labels, expected {num_classes}")
        return Record(tile_id.decode(), field_id.decode(), rgb, nir, valid_mask, labels, fractions)
    except (DecodeError, IndexError) as error:
        raise ValueError("it is not a tile") from error


def tile_names(serialized: bytes) -> tuple[str, str, bytes]:
    """Returns tile_id, field_id and rgb of a record of whatever classes.

    Raises:
      ValueError: if it is no tile.
    """
    try:
        features = _Example.FromString(serialized).features.feature
        tile_id, field_id, rgb = (features[key].bytes_list.value[0] for key in ("tile_id", "field_id", "rgb"))
        return tile_id.decode(), field_id.decode(), rgb
    except (DecodeError, IndexError) as error:
        raise ValueError("it is not a tile") from error
