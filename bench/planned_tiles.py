"""Generates the output of ingest and shard for any number of tiles, without a source and without pixels."""

import io
from pathlib import Path

import msgspec
import numpy as np
import tensorflow as tf
from PIL import Image

from components.agrivision import BANDS, PAPER_2020, PAPER_2020_CLASSES, TILE_SIZE_PX
from components.contracts import AnswerSums, Inventory, Partition, PlannedShard, ShardReceipt, ShardReceipts
from components.dataset.picture_digests import DIGEST_BYTES
from components.records import record_table
from components.records.tile_record import Record, serialize

_TILES_PER_SHARD = 320  # 64 MB of 200 kB
_TILES_PER_FIELD = 28
_SPLITS = ("train", "train", "train", "val", "test")  # for every five fields
_PIXELS = TILE_SIZE_PX * TILE_SIZE_PX
_SHARD_BYTES = 2**26  # as sparse files, which take no space on disk
_RECORD_BYTES = 190_000
_YEARS = (2017, 2018, 2019)


def write_plan(root: Path, num_tiles: int) -> None:
    """Writes inventory, partition, receipts and shards under `root`; all shards except the first hold only zeros."""
    for folder in ("shards", "receipts", "inventories"):
        (root / folder).mkdir()
    rng = np.random.default_rng(0)
    shards: list[PlannedShard] = []
    with (root / "inventories" / "partition-00000.jsonl").open("wb") as lines:
        for split in ("train", "val", "test"):
            fields = [f for f in range(-(-num_tiles // _TILES_PER_FIELD)) if _SPLITS[f % len(_SPLITS)] == split]
            of_split = len(fields) * _TILES_PER_FIELD
            num_shards = -(-of_split // _TILES_PER_SHARD)
            for index in range(num_shards):
                # Dealt in turn, so that the tiles of a shard come from many fields, as when a hash deals them.
                tiles = [divmod(tile, _TILES_PER_FIELD) for tile in range(index, of_split, num_shards)]
                digest = f"{split}-{index:06}".ljust(64, "0")
                shards.append(
                    PlannedShard(
                        split=split, index=index, num_tiles=len(tiles), num_bytes=_SHARD_BYTES, source_digest=digest
                    )
                )
                lines.writelines(_line(fields[field], window, split, index) for field, window in tiles)
                receipt = _receipt(shards[-1], [fields[field] for field, _ in tiles], rng)
                (root / receipt.path).touch()
                if len(shards) == 1:  # the report shows some of its tiles
                    _write_shard(root / receipt.path)
                    receipt = msgspec.structs.replace(receipt, num_bytes=(root / receipt.path).stat().st_size)
                else:
                    (root / receipt.path).open("ab").truncate(_SHARD_BYTES)
                receipt.write(root / "receipts" / f"{digest}.json")
    ShardReceipts(partition=0, source_digests=tuple(s.source_digest for s in shards)).write(root / "receipts.json")
    path = "inventories/partition-00000.jsonl"
    num_planned = sum(shard.num_tiles for shard in shards)
    Inventory(
        source_uri=str(root / "source"),
        layout=PAPER_2020,
        classes=PAPER_2020_CLASSES,
        bands=BANDS,
        seed=0,
        split_origin="official",
        fingerprint="0" * 64,
        num_tiles=num_planned,
        num_fields=num_planned // _TILES_PER_FIELD,
        num_unlabelled=0,
        min_class_fraction=0.002,
        max_bad_fraction=0.0,
        partitions=(Partition(index=0, path=path, num_tiles=num_planned, shards=tuple(shards)),),
    ).write(root / "inventory.json")


def _field_id(field: int) -> str:
    return f"{field:09X}"


def _tile_id(field: int, window: int) -> str:
    left, top = 256 * (window % 7), 256 * (window // 7)
    return f"{_field_id(field)}_{left}-{top}-{left + TILE_SIZE_PX}-{top + TILE_SIZE_PX}"


def _line(field: int, window: int, split: str, shard: int) -> bytes:
    name = _tile_id(field, window)
    folder = f"data{_YEARS[field % 3]}_miniscale/field_images"
    return (
        f'{{"field_id":"{_field_id(field)}","nir":["{folder}/nir/{name}.jpg",75000,"1700000000000000000"],'
        f'"rgb":["{folder}/rgb/{name}.jpg",110000,"1700000000000000000"],'
        f'"shard":{shard},"split":"{split}","tile_id":"{name}"}}\n'
    ).encode()


def _receipt(planned: PlannedShard, fields: list[int], rng: np.random.Generator) -> ShardReceipt:
    num_tiles, num_classes = planned.num_tiles, len(PAPER_2020_CLASSES)
    class_tiles = np.bincount([field % num_classes for field in fields], minlength=num_classes)
    histogram = rng.multinomial(num_tiles * _PIXELS, np.full(256, 1 / 256), size=len(BANDS))
    sums = tuple((rng.integers(100, 140, len(BANDS)) * _PIXELS).tolist())
    squares = tuple(value * 130 for value in sums)
    return ShardReceipt(
        source_digest=planned.source_digest,
        split=planned.split,
        index=planned.index,
        path=f"shards/{planned.source_digest}.tfrecord",
        sha256=planned.source_digest,
        num_bytes=_SHARD_BYTES,
        num_tiles=num_tiles,
        fields=tuple(
            AnswerSums(
                _field_id(field),
                _YEARS[field % 3],
                1,
                _PIXELS,
                {PAPER_2020_CLASSES[field % num_classes]: 1},
                {PAPER_2020_CLASSES[field % num_classes]: 1000},
                sums,
                squares,
            )
            for field in fields
        ),
        class_tiles=tuple(class_tiles.tolist()),
        class_pixels=tuple((class_tiles * 1000).tolist()),
        cooccurrence=tuple(tuple(row) for row in np.diag(class_tiles).tolist()),
        valid_pixels=num_tiles * _PIXELS,
        total_pixels=num_tiles * _PIXELS,
        num_single_label=num_tiles,
        band_histogram=tuple(tuple(row) for row in histogram.tolist()),
        tile_sizes={f"{TILE_SIZE_PX}x{TILE_SIZE_PX}": num_tiles},
        picture_digests=rng.bytes(DIGEST_BYTES * num_tiles),
        records=b"".join(record_table.row(_RECORD_BYTES, _labels(field)) for field in fields),
    )


def _labels(field: int) -> list[float]:
    return [float(index == field % len(PAPER_2020_CLASSES)) for index in range(len(PAPER_2020_CLASSES))]


def _write_shard(path: Path) -> None:
    """Writes a shard with one tile of each class."""

    def encoded(mode: str) -> bytes:
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 40).convert(mode).save(buffer, "JPEG")
        return buffer.getvalue()

    with tf.io.TFRecordWriter(str(path)) as writer:
        for field in range(len(PAPER_2020_CLASSES)):
            labels = _labels(field)
            # Fields 0, 1 and 2 modulo 5 are in train; the class follows from the field.
            number = next(f for f in range(1000) if f % len(PAPER_2020_CLASSES) == field and f % len(_SPLITS) < 3)
            record = Record(_tile_id(number, 0), _field_id(number), encoded("RGB"), encoded("L"), b"", labels, labels)
            writer.write(serialize(record))
