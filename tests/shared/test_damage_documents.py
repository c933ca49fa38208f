"""Damaged documents and lists: each is read as it was written, or refused in one line.

The quick tests make some hundred mutations, the slow ones thousands.
"""

import json
from pathlib import Path

import msgspec
import pytest
from bounded import run_bounded
from mutations import SCALES, mutations
from sharded import small_dataset
from small_source import CLASSES, plan, write_source

from components.contracts import (
    Channel,
    ClassScores,
    DatasetOrigin,
    Decision,
    Document,
    EpochMetrics,
    Evaluation,
    Inventory,
    KnownDataset,
    KnownListing,
    ModelCard,
    PushedVersion,
    PushReceipt,
    Scores,
    ShardReceipt,
    ShardReceipts,
    SourceFile,
    TrainingReceipt,
    VersionState,
)
from components.errors import DataError
from components.ingest.field_stats import stated_annotations
from components.ingest.official_split import read_split_file, stated_splits
from components.progress import StepLog
from components.shard.writer import shard_partition

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
    Channel(version="c3", previous="c2", earlier=("c1",)),
    VersionState(card_sha256="e" * 64),
    KnownListing(token="0123456789abcdef-0123456789abcdef", inventory_sha256="f" * 64),
    KnownDataset(token="", inventory_sha256="f" * 64, manifest_sha256="e" * 64),
    DatasetOrigin(
        manifest_sha256="f" * 64,
        manifest_file_sha256="e" * 64,
        inventory_sha256="d" * 64,
        receipts={"c" * 64: "b" * 64},
        commit="a" * 40,
    ),
    PushedVersion(version="c3", card_sha256="f" * 64, training_id="a1", manifest_sha256="e" * 64),
]


@pytest.mark.parametrize("scale", SCALES)
def test_a_document_is_read_as_it_was_written_or_not_at_all(tmp_path: Path, scale: int) -> None:
    data_root, inventory_path, manifest = small_dataset(tmp_path)
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
    expected = shard_partition(str(inventory_path), "0", str(tmp_path), out, StepLog("shard"), 1)
    receipts = {path: path.read_bytes() for path in (tmp_path / "receipts").iterdir()}
    lines = (tmp_path / work.path).read_bytes()
    num_refused = 0
    for damaged in mutations(lines, 10 * scale, seed=0):
        (tmp_path / work.path).write_bytes(damaged)
        for path in receipts:
            path.unlink(missing_ok=True)
        try:
            assert shard_partition(str(inventory_path), "0", str(tmp_path), out, StepLog("shard"), 1) == expected
        except DataError:
            num_refused += 1
        # Shards before the damaged line may be finished, and are what they were.
        written = {path: path.read_bytes() for path in (tmp_path / "receipts").iterdir()}
        assert written.items() <= receipts.items()
    assert num_refused > 8 * scale


@pytest.mark.hostile
def test_a_document_with_a_forged_checksum_is_refused_or_read_as_what_it_says(tmp_path: Path) -> None:
    data_root, inventory_path, manifest = small_dataset(tmp_path)
    receipts = ShardReceipts.read(data_root.parent / "receipts-0.json")
    receipt = ShardReceipt.read(data_root / f"receipts/{receipts.source_digests[0]}.json")
    documents = [Inventory.read(inventory_path), receipts, receipt, manifest, *BY_HAND]
    texts = [(type(document).__name__, document.to_json().decode()) for document in documents]
    result = run_bounded("hostile_texts.mutate_documents", texts, 180, 0)
    for outcome, count in result["counts"].items():
        print(f"{count:6,}  {outcome}")
    assert sum(result["counts"].values()) == 180 * len(documents)
    assert not [name for name in result["counts"] if "accident: read as what" in name]
    assert result["slowest_s"] <= 2
    assert result["peak_mb"] <= 600
