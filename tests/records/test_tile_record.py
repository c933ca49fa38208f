import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.records import example_pb2, tfrecords, tile_record
from components.records.tile_record import Record

ROOT = Path(__file__).parents[2]
TILE = Record("DF/É_0-0-512-512", "DF/É", b"rgb" * 999, b"nir", b"\0png", [1.0, 0.0, 1.0], [0.1, 0.0, 1 / 3])
RECORDS = [
    TILE,
    Record("", "", b"", b"", b"", [], []),
    dataclasses.replace(TILE, nir=b"", valid_mask=b"", labels=[0.0] * 40, class_fractions=[1e-9] * 40),
    dataclasses.replace(TILE, label_masks=(b"\0png", b"", b"png")),
]


def of_tensorflow(record: Record) -> bytes:
    features = {}
    for key in tile_record.BYTES_KEYS:
        value = getattr(record, key)
        value = value.encode() if isinstance(value, str) else value
        features[key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    for key in tile_record.FLOATS_KEYS:
        features[key] = tf.train.Feature(float_list=tf.train.FloatList(value=getattr(record, key)))
    if record.label_masks:
        features["label_masks"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=record.label_masks))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    content: bytes = example.SerializeToString(deterministic=True)
    return content


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_the_example_that_tensorflow_would_write(record: Record) -> None:
    content = tile_record.serialize(record)
    assert content == of_tensorflow(record) == tile_record.serialize(record)
    read = tile_record.deserialize(content, len(record.labels))
    assert (read.tile_id, read.rgb, read.labels) == (record.tile_id, record.rgb, record.labels)
    assert read.class_fractions == tf.constant(record.class_fractions, tf.float32).numpy().tolist()
    assert tile_record.tile_names(content) == (record.tile_id, record.field_id, record.rgb)


def fields(message: Any) -> dict[str, tuple[int, int, bool, str, str]]:
    """Returns the fields of a message and of those in it: number, type, whether repeated, oneof, message."""
    found = {}
    for field in message.fields:
        oneof = field.containing_oneof.name if field.containing_oneof else ""
        inner = field.message_type
        key = f"{message.name}.{field.name}"
        found[key] = (field.number, field.type, field.is_repeated, oneof, inner.name if inner else "")
        found |= fields(inner) if inner else {}
    return found


def test_the_generated_messages_are_those_of_tensorflow() -> None:
    generated = fields(example_pb2.Example.DESCRIPTOR)
    assert generated == fields(tf.train.Example.DESCRIPTOR)
    assert len(generated) == 10


def test_the_generated_messages_are_those_of_the_proto_file() -> None:
    text = (ROOT / "components/records/example.proto").read_text()
    declared = {
        f"{message}.{name}": int(number)
        for message, body in re.findall(r"^message (\w+) \{(.+?)^\}", text, re.DOTALL | re.MULTILINE)
        for name, number in re.findall(r"(\w+) = (\d+)[ ;]", body)
    }
    generated = fields(example_pb2.Example.DESCRIPTOR)
    assert declared == {key: field[0] for key, field in generated.items() if not key.startswith("FeatureEntry.")}


def test_a_graph_parses_what_was_serialized() -> None:
    parsed = tfrecords.parse(tf.constant([tile_record.serialize(TILE)] * 2), 3)
    assert parsed["tile_id"].numpy().tolist() == [TILE.tile_id.encode()] * 2
    assert parsed["labels"].numpy().tolist() == [[1, 0, 1]] * 2
    assert set(parsed) == {*tile_record.BYTES_KEYS, *tile_record.FLOATS_KEYS}


@pytest.mark.parametrize(
    "content",
    [
        b"no record",
        b"",
        tf.train.Example(features=tf.train.Features(feature={"rgb": tf.train.Feature()})).SerializeToString(),
        tile_record.serialize(TILE)[:-1],
        tile_record.serialize(TILE).replace("É".encode(), b"\xff\xff"),
    ],
)
def test_what_is_no_tile_is_refused(content: bytes) -> None:
    for read in (lambda: tile_record.deserialize(content, 3), lambda: tile_record.tile_names(content)):
        with pytest.raises(ValueError, match=r"it is not a tile|can't decode byte"):
            read()


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="it has 3 labels, expected 4"):
        tile_record.deserialize(tile_record.serialize(TILE), 4)


@pytest.mark.parametrize(
    "imports", ["tensorflow, components.records.tile_record", "components.records.tile_record, tensorflow"]
)
def test_it_lives_beside_tensorflow_whichever_is_imported_first(imports: str) -> None:
    code = (
        "import sys\n"
        "sys.modules['keras'] = None\n"  # it takes half the time
        f"import {imports}\n"
        "from components.records.tile_record import Record, serialize\n"
        "record = serialize(Record('a', 'b', b'c', b'', b'', [1.0], [0.5]))\n"
        "example = tensorflow.train.Example.FromString(record)\n"
        "assert example.SerializeToString(deterministic=True) == record\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_masks_of_other_classes_than_the_labels_are_refused() -> None:
    content = tile_record.serialize(dataclasses.replace(TILE, label_masks=(b"", b"")))
    with pytest.raises(ValueError, match="it has 2 label_masks, expected 3, or none"):
        tile_record.deserialize(content, 3)
