"""A shard in a tampered data bucket: a hostile image in a record whose checksums and sizes are right."""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from hostile_images import header, of_zeros, png
from numpy.typing import NDArray
from reading_a_split import read_by_evaluate
from sharded import small_dataset
from small_source import CLASSES, SIZE_PX

from components.agrivision import BANDS
from components.contracts import Manifest
from components.errors import DataError
from components.evaluate.report.pictures import pictures_of, read_shown
from components.records import jpeg, mask_png, tfrecords
from components.records.image_header import DamagedImage
from components.records.record_file import RecordWriter, read_records
from components.records.tile_record import Record, deserialize, serialize
from components.saved_model.asking import CannotAnswer
from components.train.input.reader import Reader
from components.train.input.shard_index import index_split

pytestmark = pytest.mark.hostile

RECORD, IN_SHARD = 3, 1  # the same one: counted over the split, and within its shard


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    data_root, _, manifest = small_dataset(tmp_path_factory.mktemp("dataset"))
    return data_root, manifest


def reader(data_root: Path, manifest: Manifest) -> Reader:
    index = index_split(str(data_root), manifest.splits["test"], len(CLASSES), single_label=False)
    return Reader(index=index, bands=BANDS, num_classes=len(CLASSES), image_size_px=SIZE_PX, ratio=1)


def by_training(data_root: Path, manifest: Manifest) -> None:
    list(reader(data_root, manifest).batches(np.arange(6).reshape(1, 6)))


def by_parameter_servers(data_root: Path, manifest: Manifest) -> None:
    """What the chief does after a worker's graph has failed."""
    reader(data_root, manifest).require_readable(np.arange(6))


def by_evaluate(data_root: Path, manifest: Manifest) -> None:
    def answer(batch: Sequence[Record]) -> NDArray[np.float32]:
        for record in batch:
            try:
                jpeg.decode(record.rgb, 3)
                jpeg.decode(record.nir, 1)
                if record.valid_mask:
                    mask_png.packed_mask(record.valid_mask)
            except DamagedImage as error:
                raise CannotAnswer(str(error)) from error
        return np.zeros([len(batch), len(CLASSES)], np.float32)

    read_by_evaluate(str(data_root), manifest, "test", answer)


def by_report(data_root: Path, manifest: Manifest) -> None:
    pictures_of(list(read_shown(str(data_root), manifest, "test", range(6), None).values()), 0)


def naming(manifest: Manifest, number: int, sha256: str) -> Manifest:
    """Returns a manifest that names the sha256 for a test shard, as if the shard step had made it so."""
    test = manifest.splits["test"]
    shards = list(test.shards)
    shards[number] = msgspec.structs.replace(shards[number], sha256=sha256)
    return msgspec.structs.replace(
        manifest, splits={**manifest.splits, "test": msgspec.structs.replace(test, shards=tuple(shards))}
    )


TOO_LARGE = "20000x20000 px, at most 8192 px a side are read"


@pytest.mark.parametrize(
    ("read", "number"),
    [(by_training, RECORD), (by_parameter_servers, RECORD), (by_evaluate, IN_SHARD), (by_report, IN_SHARD)],
)
@pytest.mark.parametrize(
    ("role", "content", "reason"),
    [
        ("rgb", png(header(20_000, 20_000)), TOO_LARGE),
        ("nir", png(header(8, 1), header(30_000, 30_000)), "it has two headers"),
        ("valid_mask", png(header(20_000, 20_000, depth=1)), TOO_LARGE),
        ("rgb", b"", "neither a JPEG nor a PNG"),
    ],
    ids=["rgb", "nir", "mask", "no image"],
)
def test_a_hostile_image_in_a_record_is_named_with_its_shard(
    dataset: tuple[Path, Manifest],
    read: Callable[[Path, Manifest], None],
    number: int,
    role: str,
    content: bytes,
    reason: str,
) -> None:
    data_root, manifest = dataset
    shard = data_root / manifest.splits["test"].shards[1].path
    whole = shard.read_bytes()
    records = [deserialize(each, len(CLASSES)) for each in read_records(shard)]
    room = len(getattr(records[IN_SHARD], role))
    records[IN_SHARD] = dataclasses.replace(records[IN_SHARD], **{role: content.ljust(room, b"\0")})
    try:
        with RecordWriter(shard) as writer:
            for record in records:
                writer.write(serialize(record))
        assert shard.stat().st_size == len(whole)
        with pytest.raises(DataError, match=reason) as raised:
            read(data_root, naming(manifest, 1, hashlib.sha256(shard.read_bytes()).hexdigest()))
        assert shard.name in str(raised.value)
        # Evaluation names the tile, which says more.
        assert re.search(rf"record {number}\b|test tile '", str(raised.value))
        assert len(str(raised.value).splitlines()) == 1
    finally:
        shard.write_bytes(whole)
    read(data_root, manifest)


def test_a_record_that_was_forged_with_right_checksums_is_not_evaluated(dataset: tuple[Path, Manifest]) -> None:
    data_root, manifest = dataset
    shard = data_root / manifest.splits["test"].shards[1].path
    whole = shard.read_bytes()
    records = [deserialize(each, len(CLASSES)) for each in read_records(shard)]
    records[IN_SHARD] = dataclasses.replace(records[IN_SHARD], labels=[1 - label for label in records[IN_SHARD].labels])
    try:
        with RecordWriter(shard) as writer:
            for record in records:
                writer.write(serialize(record))
        assert shard.stat().st_size == len(whole)
        with pytest.raises(DataError, match=f"{shard.name}' has sha256 .*, expected {shard.stem[:16]}"):
            by_evaluate(data_root, manifest)
    finally:
        shard.write_bytes(whole)


def test_the_model_that_is_served_refuses_a_picture_that_claims_too_much() -> None:
    """Its graph is the one that is exported: 1.2 GB would be taken before the assertion, if it came too late."""
    served = tf.function(
        lambda rgb: tfrecords.decode_image(rgb, tf.constant(b""), tf.constant(b""), BANDS[:3], SIZE_PX, 1)[0],
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="an image exceeds a limit: 8192 px a side") as raised:
        served(tf.constant(of_zeros(20_000, 20_000)))
    assert "[20000] [20000]" in str(raised.value)
