"""Small datasets as the training stage reads them: shards and a manifest, without ingest and shard."""

import contextlib
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from components.contracts import Manifest, Shard, SplitSummary
from components.records import record_table, tile_record
from components.records.mask_png import encode_mask
from components.records.tile_record import Record

CLASSES = ("water", "weed_cluster", "drydown")
BANDS = ("red", "green", "blue", "nir")
# Water is dark and blue, weeds bright in NIR, drydown pale; 8-bit red, green, blue, NIR.
_COLOURS = np.array([(30, 40, 120, 20), (50, 110, 40, 240), (190, 160, 90, 90)])


def encode(pixels: np.ndarray, kind: str = "JPEG") -> bytes:
    """Returns uint8 [H, W, 3] or [H, W] as an image file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return buffer.getvalue()


def fake_record(number: int, size_px: int = 48, num_classes: int = 3, label_masks: bool = False) -> Record:
    """Returns a tile of grey noise with a patch of each of its classes' colours, and a blank corner.

    Args:
      label_masks: Whether it says which pixels show a class: those of the patch that are valid.
    """
    rng = np.random.default_rng(number)
    pixels = rng.integers(90, 120, (size_px, size_px, 4))
    labels = np.zeros(num_classes)
    labels[number % num_classes] = 1.0
    labels[(number // 2) % num_classes] = 1.0
    half = size_px // 2
    planes = np.zeros((num_classes, size_px, size_px), bool)
    for place, name in enumerate(np.flatnonzero(labels)):
        top, left = (0, half * (number % 2)) if place == 0 else (half, half * (number % 2))
        pixels[top : top + half, left : left + half] = _COLOURS[name % 3] + rng.integers(-10, 10, (half, half, 4))
        planes[name, top : top + half, left : left + half] = True
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    mask = np.full((size_px, size_px), 255, np.uint8)
    mask[-size_px // 8 :, -size_px // 8 :] = 0
    if number % 3:
        planes &= mask > 0
    return Record(
        tile_id=f"FIELD{number // 4}_{number}-0-{number + size_px}-{size_px}",
        field_id=f"FIELD{number // 4}",
        rgb=encode(pixels[..., :3]),
        nir=encode(pixels[..., 3]),
        valid_mask=b"" if number % 3 == 0 else encode(mask, "PNG"),
        labels=labels.tolist(),
        class_fractions=(labels / 4).tolist(),
        label_masks=tuple(encode_mask(plane) if plane.any() else b"" for plane in planes) if label_masks else (),
    )


def write_split(data_root: Path, records: Sequence[Record], num_shards: int) -> SplitSummary:
    """Writes records to shards, round robin, and the table of them, and returns what the manifest says of them."""
    (data_root / "shards").mkdir(parents=True, exist_ok=True)
    shards = []
    for index in range(num_shards):
        mine = records[index::num_shards]
        path = data_root / "shards" / f"part-{index}.tmp"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in mine:
                writer.write(tile_record.serialize(record))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(data_root / "shards" / f"{digest}.tfrecord")
        shards.append(
            Shard(
                path=f"shards/{digest}.tfrecord",
                sha256=digest,
                num_bytes=(data_root / "shards" / f"{digest}.tfrecord").stat().st_size,
                num_tiles=len(mine),
                num_single_label=sum(sum(record.labels) == 1 for record in mine),
            )
        )
    in_order = [record for index in range(num_shards) for record in records[index::num_shards]]
    rows = b"".join(record_table.row(len(tile_record.serialize(record)), record.labels) for record in in_order)
    record_table.publish_table(str(data_root), rows)
    labels = np.array([record.labels for record in records], int)
    num_bands = 4 if records[0].nir else 3
    histogram = np.zeros((num_bands, 256), int)
    for record in records:
        with contextlib.suppress(OSError):  # some tests damage an image
            rgb = np.array(Image.open(io.BytesIO(record.rgb)))
            bands = np.dstack([rgb, np.array(Image.open(io.BytesIO(record.nir)))]) if record.nir else rgb
            for band in range(num_bands):
                histogram[band] += np.bincount(bands[..., band].ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = histogram @ values / histogram.sum(axis=1)
    std = np.sqrt(histogram @ values**2 / histogram.sum(axis=1) - mean**2)
    return SplitSummary(
        num_tiles=len(records),
        num_fields=len({record.field_id for record in records}),
        num_single_label=int((labels.sum(axis=1) == 1).sum()),
        class_tiles=tuple(labels.sum(axis=0).tolist()),
        class_pixels=tuple((labels.sum(axis=0) * 100).tolist()),
        cooccurrence=tuple(tuple(row) for row in (labels.T @ labels).tolist()),
        valid_pixels=int(histogram[0].sum()),
        band_mean=tuple(mean.tolist()),
        band_std=tuple(std.tolist()),
        band_histogram=tuple(tuple(row) for row in histogram.tolist()),
        records_sha256=hashlib.sha256(rows).hexdigest(),
        shards=tuple(shards),
    )


def manifest_of(splits: dict[str, SplitSummary], size_px: int, **changes: object) -> Manifest:
    """Returns a manifest of these splits."""
    fields: dict = {
        "layout": "paper-2020",
        "classes": CLASSES,
        "bands": BANDS,
        "seed": 0,
        "split_origin": "official",
        "min_class_fraction": 0.002,
        "tile_sizes": {f"{size_px}x{size_px}": sum(split.num_tiles for split in splits.values())},
        "splits": splits,
        "rejected": (),
    }
    return Manifest(**{**fields, **changes})


def fake_dataset(
    data_root: Path,
    num_train: int = 40,
    num_val: int = 13,
    size_px: int = 48,
    repeat_val: int = 1,
    label_masks: bool = False,
) -> Manifest:
    """Writes a dataset of fake tiles under `data_root` and returns its manifest.

    Args:
      repeat_val: How often each tile is in the val split.
      label_masks: Whether the records hold the masks of the classes.
    """
    train = [fake_record(number, size_px, label_masks=label_masks) for number in range(num_train)]
    val = [fake_record(1000 + number, size_px, label_masks=label_masks) for number in range(num_val)] * repeat_val
    splits = {"train": write_split(data_root, train, 3), "val": write_split(data_root, val, 2)}
    return manifest_of(splits, size_px, label_masks=label_masks)
