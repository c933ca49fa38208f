"""Merges the receipts of all partitions into the dataset: checks, statistics, report, and the manifest last."""

import collections
import concurrent.futures
from collections.abc import Sequence
from pathlib import Path

from components import storage
from components.agrivision import SPLITS
from components.contracts import (
    Inventory,
    Manifest,
    Note,
    PlannedShard,
    Rejection,
    Shard,
    ShardReceipt,
    ShardReceipts,
    SplitSummary,
)
from components.errors import DataError
from components.progress import StepLog
from components.shard import drift, duplicates, statistics
from components.shard.report import data_report

DATASETS_FOLDER = "datasets"
MANIFEST_NAME = "manifest.json"
REPORT_NAME = "report.html"
_MAX_NOTES = 1000  # remarks in the manifest, about 100 kB
_NUM_THREADS = 16  # each waits for an answer about one shard


def merge_shards(
    inventory_path: str,
    receipts_paths: Sequence[str],
    data_root: str,
    manifest_path: str,
    report_path: str,
    log: StepLog,
    reference_uri: str = "",
) -> Manifest:
    """Publishes the dataset as `datasets/<id>/` under `data_root`, and copies manifest and report to the local paths.

    The id is the start of the manifest's sha256, and the manifest is written last: without it, there is no dataset.

    Args:
      reference_uri: Manifest of an earlier dataset that the report compares this one with; empty for none.

    Raises:
      DataError: if a shard is missing, too many tiles are bad, a split has no tile, a picture is in two splits, or
        there is no such reference.
    """
    reference = drift.read_manifest(reference_uri) if reference_uri else None
    inventory = Inventory.read(inventory_path)
    receipts = _planned_receipts(inventory, [ShardReceipts.read(path) for path in receipts_paths])
    _require_shard_files(receipts, data_root)
    rejected = tuple(sorted([*inventory.rejected, *(bad for receipt in receipts for bad in receipt.rejected)]))
    _require_few_rejected(rejected, sum(r.num_tiles for r in receipts) + len(rejected), inventory.max_bad_fraction)
    notes, leaks = duplicates.judge_duplicates(duplicates.find_duplicates(inventory, receipts, data_root), inventory)
    notes = sorted([*notes, *(note for receipt in receipts for note in receipt.notes)])
    manifest = build_manifest(inventory, receipts, rejected, notes)
    warnings = [*leaks, *find_warnings(manifest, receipts)]
    for warning in warnings:
        log.line(f"warning: {warning}")
    shift = drift.compare(manifest, reference) if reference else None
    if shift:
        log.line(f"against {shift.earlier_id}: {shift.verdict}")

    folder = storage.join(data_root, DATASETS_FOLDER, manifest.sha256[:16])
    html = data_report(manifest, inventory, receipts, data_root, warnings, shift).encode()
    storage.write_bytes(storage.join(folder, REPORT_NAME), html)
    storage.write_bytes(storage.join(folder, MANIFEST_NAME), manifest.to_json())
    Path(report_path).parent.mkdir(parents=True, exist_ok=True)
    Path(report_path).write_bytes(html)
    manifest.write(manifest_path)

    num_fields = len({field_id for receipt in receipts for field_id in receipt.field_ids})
    gigabytes = sum(receipt.num_bytes for receipt in receipts) / 1e9
    log.summary = (
        f"wrote {manifest.num_tiles:,} tiles of {num_fields:,} fields to {manifest.num_shards:,} shards "
        f"({gigabytes:.2f} GB), {len(rejected):,} rejected"
    )
    if notes:
        log.summary += f", {len(notes):,} remarks"
    return manifest


def _planned_receipts(inventory: Inventory, documents: Sequence[ShardReceipts]) -> list[ShardReceipt]:
    """Returns one receipt for each planned shard, by split and index.

    Raises:
      DataError: if one is missing, or does not fit the inventory.
    """
    by_digest = {receipt.source_digest: receipt for document in documents for receipt in document.receipts}
    planned = [shard for partition in inventory.partitions for shard in partition.shards]
    planned.sort(key=lambda shard: (SPLITS.index(shard.split), shard.index))
    return [_fitting(shard, by_digest.get(shard.source_digest), inventory) for shard in planned]


def _fitting(planned: PlannedShard, receipt: ShardReceipt | None, inventory: Inventory) -> ShardReceipt:
    name = f"{planned.split} shard {planned.index}"
    if receipt is None:
        raise DataError(f"{name} has no receipt; did every shard task finish, and on this inventory?")
    num_tiles = receipt.num_tiles + len(receipt.rejected)
    if (receipt.split, receipt.index, num_tiles) != (planned.split, planned.index, planned.num_tiles):
        raise DataError(
            f"{name}: planned with {planned.num_tiles} tiles, but its receipt is of "
            f"{receipt.split} shard {receipt.index} with {num_tiles} tiles; run the shard tasks again"
        )
    shape = (len(receipt.class_tiles), len(receipt.band_histogram))
    if shape != (len(inventory.classes), len(inventory.bands)):
        raise DataError(
            f"{name}: expected {len(inventory.classes)} classes and {len(inventory.bands)} bands, "
            f"its receipt has {shape[0]} and {shape[1]}; run the shard tasks again"
        )
    return receipt


def _require_shard_files(receipts: Sequence[ShardReceipt], data_root: str) -> None:
    written = [receipt for receipt in receipts if receipt.path]
    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as pool:
        sizes = pool.map(lambda receipt: storage.size(storage.join(data_root, receipt.path)), written)
        for receipt, size in zip(written, sizes, strict=True):
            if size != receipt.num_bytes:
                came = "there is no such file" if size is None else f"got {size:,}"
                raise DataError(
                    f"{receipt.split} shard {receipt.index}, {receipt.path!r} under {data_root!r}: "
                    f"expected {receipt.num_bytes:,} bytes, {came}; run the shard tasks again"
                )


def _require_few_rejected(rejected: Sequence[Rejection], num_tiles: int, limit: float) -> None:
    """Refuses a source that has too many bad tiles to be merely untidy."""
    if len(rejected) <= limit * num_tiles:
        return
    examples: dict[str, str] = {}
    for bad in rejected:
        examples.setdefault(bad.reason, bad.tile_id)
    most = collections.Counter(bad.reason for bad in rejected).most_common(3)
    reasons = "; ".join(f"{count:,} x {reason} (e.g. {examples[reason]})" for reason, count in most)
    raise DataError(
        f"{len(rejected):,} of {num_tiles:,} tiles are bad, {len(rejected) / num_tiles:.1%}, "
        f"more than ingest_max_bad_fraction={limit:g} allows: {reasons}"
    )


def build_manifest(
    inventory: Inventory,
    receipts: Sequence[ShardReceipt],
    rejected: tuple[Rejection, ...],
    notes: Sequence[Note] = (),
) -> Manifest:
    """Returns the dataset that the receipts, by split and index, amount to.

    Raises:
      DataError: if a split has no tile.
    """
    splits = {}
    for split in SPLITS:
        of_split = [receipt for receipt in receipts if receipt.split == split]
        good = [receipt for receipt in of_split if receipt.num_tiles]
        if not good:
            num_bad = sum(len(receipt.rejected) for receipt in of_split)
            raise DataError(
                f"the {split} split has no good tile ({num_bad} rejected); train, val and test need at least one each"
            )
        shards = tuple(
            Shard(
                path=receipt.path,
                sha256=receipt.sha256,
                num_bytes=receipt.num_bytes,
                num_tiles=receipt.num_tiles,
                num_single_label=receipt.num_single_label,
            )
            for receipt in good
        )
        splits[split] = SplitSummary(shards=shards, **statistics.summed(good))
    return Manifest(
        layout=inventory.layout,
        classes=inventory.classes,
        bands=inventory.bands,
        seed=inventory.seed,
        split_origin=inventory.split_origin,
        min_class_fraction=inventory.min_class_fraction,
        tile_sizes=statistics.summed_sizes(receipts),
        splits=splits,
        rejected=rejected,
        num_notes=len(notes),
        notes=tuple(notes[:_MAX_NOTES]),
    )


def find_warnings(manifest: Manifest, receipts: Sequence[ShardReceipt]) -> list[str]:
    """Returns what a person should know before training, one line each; nothing that makes the dataset unusable."""
    found = []
    for split, summary in manifest.splits.items():
        names = [n for n, count in zip(manifest.classes, summary.class_tiles, strict=True) if not count]
        if names:
            consequence = "cannot be learned" if split == "train" else f"cannot be judged on {split}"
            found.append(f"no {split} tile has {', '.join(names)}: {consequence}")
    splits_of_field: dict[str, set[str]] = collections.defaultdict(set)
    for receipt in receipts:
        for field_id in receipt.field_ids:
            splits_of_field[field_id].add(receipt.split)
    if shared := sorted(field_id for field_id, splits in splits_of_field.items() if len(splits) > 1):
        found.append(f"{len(shared):,} fields have tiles in two splits (e.g. {shared[0]}): their scores will flatter")
    return found
