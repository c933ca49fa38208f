"""Damaged bytes: every one is told in one line and none is taken for what it was, wherever it is read.

The quick tests make some hundred mutations, the slow ones ten thousand in all.
"""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import simplejpeg
import tensorflow as tf
from mutations import mutations
from sharded import shard_and_merge
from small_source import CLASSES, plan, write_source, write_tile

from components.contracts import (
    ClassScores,
    Decision,
    Document,
    EpochMetrics,
    Evaluation,
    Inventory,
    Manifest,
    ModelCard,
    Production,
    PushReceipt,
    Rejection,
    Scores,
    ShardReceipt,
    ShardReceipts,
    SourceFile,
    SourceTile,
    TrainingReceipt,
)
from components.errors import DataError
from components.evaluate.predictions import predict_split
from components.ingest.field_stats import stated_annotations
from components.ingest.official_split import read_split_file, stated_splits
from components.progress import StepLog
from components.shard.field_file import beside, check_fields, read_fields
from components.shard.tile_check import CheckedTile, check_tile
from components.shard.verify import verify_manifest
from components.shard.writer import write_shards
from components.train.shard_index import index_split

SCALES = [pytest.param(1, id="quick"), pytest.param(20, id="thorough", marks=pytest.mark.slow)]


# Source images


def is_sound_png(content: bytes) -> bool:
    """Tells, by the letter of the standard, whether each chunk of a PNG is whole and its pixels are as many as it says.

    Only for masks as small_source writes them: one band of 8 bits, not interlaced.
    """
    place, pixels, names = 8, b"", []
    width = height = 0
    while place < len(content) and (not names or names[-1] != b"IEND"):
        if place + 12 > len(content):
            return False
        (length,) = struct.unpack(">I", content[place : place + 4])
        name, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        if content[place + 8 + length : place + 12 + length] != struct.pack(">I", zlib.crc32(name + body)):
            return False
        if name == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
        pixels += body if name == b"IDAT" else b""
        names.append(name)
        place += 12 + length
    try:
        return names[-1:] == [b"IEND"] and len(zlib.decompress(pixels)) == height * (width + 1)
    except zlib.error:
        return False


def is_sound_jpeg(content: bytes, colours: str) -> bool:
    try:
        simplejpeg.decode_jpeg(content, colours, strict=True)
    except ValueError:
        return False
    return True


def files_of(tile: SourceTile) -> dict[str, SourceFile]:
    files = {"rgb": tile.rgb, "nir": tile.nir, "boundary": tile.boundary, "mask": tile.mask, **tile.labels}
    return {role: file for role, file in files.items() if file is not None}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("role", "count"), [("rgb", 160), ("nir", 80), ("boundary", 30), ("mask", 10), ("weed_cluster", 20)]
)
def test_a_damaged_image_is_refused_or_stored_as_it_was_read(tmp_path: Path, role: str, count: int, scale: int) -> None:
    tile = write_tile(tmp_path, 9, "train", 0)
    inventory = Inventory.read(plan(tmp_path, tmp_path / "data", [tile]))
    contents = {file.path: (tmp_path / file.path).read_bytes() for file in files_of(tile).values()}
    path = files_of(tile)[role].path
    whole = check_tile(tile, inventory, lambda file: contents[file.path])
    assert isinstance(whole, CheckedTile)
    num_refused = 0
    for content in mutations(contents[path], count * scale, seed=len(role)):
        damaged = {**contents, path: content}
        checked = check_tile(tile, inventory, lambda file, damaged=damaged: damaged[file.path])
        if isinstance(checked, Rejection):
            assert checked.tile_id == tile.tile_id
            assert checked.reason.startswith((f"{role}: ", f"label {role}: ", "nir: ", "boundary: ", "no valid pixel"))
            assert len(checked.reason.splitlines()) == 1
            num_refused += 1
            continue
        # What is still an image, by the letter of its standard, is content of the source, whoever made it.
        assert checked.record.rgb == damaged[tile.rgb.path]
        assert checked.record.nir == damaged[files_of(tile)["nir"].path]
        if path.endswith(".jpg"):
            assert is_sound_jpeg(content, {"rgb": "RGB", "nir": "GRAY"}[role])
        else:
            assert is_sound_png(content)
    assert num_refused > count * scale / 3


# Shards


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Manifest]:
    root = tmp_path_factory.mktemp("dataset")
    tiles = write_source(root / "source", train=8, val=2, test=6, tiles_per_shard=2)
    inventory_path = plan(root / "source", root / "data", tiles)
    return root / "data", inventory_path, shard_and_merge(inventory_path, root / "data", root)


def read_by_training(data_root: Path, manifest: Manifest) -> list[bytes]:
    index = index_split(str(data_root), manifest.splits["test"].shards, len(CLASSES), single_label=False)
    return [index.read(record) for record in range(len(index))]


def read_by_evaluate(data_root: Path, manifest: Manifest) -> list[str]:
    def answer(rgb: tf.Tensor, nir: tf.Tensor, valid_mask: tf.Tensor) -> tf.Tensor:
        return tf.zeros([len(rgb), len(CLASSES)])

    return predict_split(answer, str(data_root), manifest, "test", StepLog("evaluate"), "the model").tile_ids.tolist()


def read_by_verify(data_root: Path, manifest: Manifest) -> str:
    return str(verify_manifest(str(data_root / f"datasets/{manifest.sha256[:16]}/manifest.json")))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("read", "count"), [(read_by_training, 90), (read_by_evaluate, 4), (read_by_verify, 6)])
def test_a_damaged_shard_is_named_by_whoever_reads_it(
    dataset: tuple[Path, Path, Manifest], read: Callable[[Path, Manifest], object], count: int, scale: int
) -> None:
    data_root, _, manifest = dataset
    expected = read(data_root, manifest)
    shard = data_root / manifest.splits["test"].shards[1].path
    content = shard.read_bytes()
    try:
        for damaged in mutations(content, count * scale, seed=count):
            shard.write_bytes(damaged)
            with pytest.raises(DataError, match=shard.name) as raised:
                read(data_root, manifest)
            assert len(str(raised.value).splitlines()) == 1
    finally:
        shard.write_bytes(content)
    assert read(data_root, manifest) == expected


# Documents and partition files


SCORES = Scores(
    macro_f1=0.5,
    macro_precision=0.25,
    macro_recall=0.75,
    map=0.5,
    per_class={
        "drydown": ClassScores(threshold=0.5, precision=1, recall=0.5, f1=0.6, average_precision=0.7, support=3)
    },
)
EPOCH = EpochMetrics(
    epoch=0, train_loss=1.5, val_loss=1.25, val_macro_f1=0.5, learning_rate=1e-3, seconds=1.5, tiles_per_second=20.5
)
BY_HAND: list[Document] = [
    TrainingReceipt(
        training_id="a1",
        manifest_sha256="f" * 64,
        model_path="training/a1/export",
        classes=CLASSES,
        bands=("red",),
        label_mode="multi_label",
        backbone="small",
        image_size_px=64,
        num_parameters=12,
        num_workers=2,
        num_restarts=0,
        config={"epochs": 2, "learning_rate": 1e-3, "augment": True},
        best_epoch=0,
        history=(EPOCH,),
        seconds=2.5,
    ),
    Evaluation(
        training_id="a1",
        manifest_sha256="f" * 64,
        num_test_tiles=4,
        thresholds=(0.5, 0.25),
        candidate=SCORES,
        predictions_path="evaluations/b2/predictions.npz",
    ),
    Decision(decision="refuse", reason="worse", floor=0.5, candidate_macro_f1=0.25),
    PushReceipt(model_version="c3", model_uri="models/versions/c3", previous_version=None),
    ModelCard(
        version="c3",
        training_id="a1",
        manifest_sha256="f" * 64,
        backbone="small",
        label_mode="multi_label",
        classes=CLASSES,
        bands=("red",),
        image_size_px=64,
        thresholds=(0.5, 0.25),
        config={"epochs": 2},
        scores=SCORES,
        num_test_tiles=4,
        usage={"serving_default": "rgb"},
    ),
    Production(version="c3", previous="c2", earlier=("c1",)),
]


@pytest.mark.parametrize("scale", SCALES)
def test_a_document_is_read_as_it_was_written_or_not_at_all(dataset: tuple[Path, Path, Manifest], scale: int) -> None:
    data_root, inventory_path, manifest = dataset
    receipts = ShardReceipts.read(data_root.parent / "receipts-0.json")
    receipt = ShardReceipt.read(data_root / f"receipts/{receipts.source_digests[0]}.json")
    for document in (Inventory.read(inventory_path), receipts, receipt, manifest, *BY_HAND):
        kind, text = type(document), document.to_json()
        assert kind.from_json(text, "x.json") == document
        for damaged in mutations(text, 17 * scale, seed=len(text)):
            with pytest.raises(DataError, match=r"^x.json .*; (restore|remove) it") as raised:
                kind.from_json(damaged, "x.json")
            assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("scale", SCALES)
def test_the_sums_by_field_are_those_of_the_manifest_or_refused(
    dataset: tuple[Path, Path, Manifest], tmp_path: Path, scale: int
) -> None:
    data_root, _, manifest = dataset
    folder = data_root / f"datasets/{manifest.sha256[:16]}"
    (tmp_path / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    for damaged in mutations((folder / "fields.jsonl").read_bytes(), 10 * scale, seed=1):
        (tmp_path / "fields.jsonl").write_bytes(damaged)
        for read in (read_fields, check_fields_beside):
            with pytest.raises(DataError, match=r"fields\.jsonl"):
                read(str(tmp_path / "manifest.json"), manifest)


def check_fields_beside(manifest_uri: str, manifest: Manifest) -> None:
    check_fields(beside(manifest_uri), manifest)


@pytest.mark.parametrize("scale", SCALES)
def test_a_damaged_split_file_of_the_source_is_told_or_still_a_split(tmp_path: Path, scale: int) -> None:
    stated = {"label_counts": {"drydown": 2}, "label_areas": {"drydown": [10, 2.5]}}
    content = {split: {f"field_bounds/{split}_0-0-64-64.png": stated} for split in ("train", "val", "test")}
    text = json.dumps(content).encode()
    file = SourceFile("field_stats.json", len(text), "1")
    num_refused = 0
    for damaged in [*mutations(text, 20 * scale, seed=2), b"[" * 100_000, b'{"a": ' * 100_000, text + b"\xff"]:
        (tmp_path / "field_stats.json").write_bytes(damaged)
        try:
            read = read_split_file(str(tmp_path), file)
            assert {split for _, split in stated_splits(read)} <= {"train", "val", "test"}
            msgspec.json.encode(list(stated_annotations(read)))  # as it will be in a partition file
        except DataError:
            num_refused += 1
    assert num_refused > 5 * scale


@pytest.mark.parametrize("scale", SCALES)
def test_a_damaged_partition_file_stops_the_shard_step_or_changes_nothing(tmp_path: Path, scale: int) -> None:
    root = tmp_path / "source"
    tiles = write_source(root, train=4, val=1, test=1, tiles_per_shard=2)
    inventory_path = plan(root, tmp_path, tiles)
    (work,) = Inventory.read(inventory_path).partitions
    out = str(tmp_path / "receipts-0.json")
    expected = write_shards(str(inventory_path), "0", str(tmp_path), out, StepLog("shard"), 1)
    receipts = {path: path.read_bytes() for path in (tmp_path / "receipts").iterdir()}
    lines = (tmp_path / work.path).read_bytes()
    num_refused = 0
    for damaged in mutations(lines, 10 * scale, seed=0):
        (tmp_path / work.path).write_bytes(damaged)
        for path in receipts:
            path.unlink(missing_ok=True)
        try:
            assert write_shards(str(inventory_path), "0", str(tmp_path), out, StepLog("shard"), 1) == expected
        except DataError:
            num_refused += 1
        # Shards before the damaged line may be finished, and are what they were.
        written = {path: path.read_bytes() for path in (tmp_path / "receipts").iterdir()}
        assert written.items() <= receipts.items()
    assert num_refused > 8 * scale
