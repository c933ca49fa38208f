"""Merges the receipts of all partitions into a dataset: checks, statistics, report and, last, the manifest."""

import contextlib
import filecmp
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import msgspec

from components import environment, storage, words
from components.agrivision import SPLITS
from components.contracts import DatasetOrigin, Inventory, Manifest, PlannedShard, ShardReceipts, SplitSummary
from components.dataset import field_file
from components.dataset.dataset_sums import DatasetSums
from components.dataset.drift import compare as drift
from components.dataset.drift.findings import Drift
from components.dataset.field_arrays import FieldArrays
from components.dataset.first_sorted import Rejections
from components.dataset.kept_documents import keep_document
from components.dataset.list_file import BAD_TILES, local_list, where_all_are
from components.dataset.receipts import checked_receipt, read_shard_receipt
from components.dataset.temporary_database import temporary_database
from components.errors import DataError, naming_place
from components.merge import duplicates
from components.ordered_map import map_in_order, num_threads_for
from components.progress import StepLog
from components.records import record_table

DATASETS_FOLDER = "datasets"
MANIFEST_NAME = "manifest.json"
REPORT_NAME = "report.html"
ORIGIN_NAME = "origin.json"


def merge_shards(
    inventory_path: str,
    receipts_paths: Sequence[str],
    data_root: str,
    manifest_path: str,
    report_path: str,
    log: StepLog,
    reference_uri: str = "",
    origin_path: str = "",
) -> Manifest:
    """Publishes the dataset as `datasets/<id>/` under `data_root`, and copies manifest and report to the local paths.

    The id is the start of the manifest's sha256. The manifest is written last: without it, there is no dataset.

    Args:
      receipts_paths: Local files, each a list of receipts from a shard task.
      reference_uri: Manifest of an earlier dataset for the report to compare this one with; empty for none.
      origin_path: Local file for what the dataset was made from; empty for none.

    Raises:
      DataError: if a shard is missing, too many tiles are bad, a split has no tile, a picture is in two splits, or the
        reference does not exist.
    """
    reference = drift.read_dataset(reference_uri) if reference_uri else None
    inventory = Inventory.read(inventory_path)
    planned = _planned_shards(inventory, receipts_paths)
    sums, receipts = _summed(inventory, planned, data_root)
    num_tiles = sum(sums.num_tiles.values()) + len(sums.rejections)
    _require_few_rejected(sums.rejections, num_tiles, inventory, planned, data_root)
    with temporary_database() as database, contextlib.ExitStack() as stack:
        repeats = duplicates.find_repeats(sums, inventory, data_root, database)
        sums.digests.clear()  # free the memory before the report loads plots and images
        remarks, faults = duplicates.judge_repeats(repeats, inventory, data_root, len(sums.rejections), num_tiles)
        sums.notes.add(remarks)
        num_notes = sums.notes.num_items - len(remarks) + repeats.num_tiles
        fields_path, fields_sha256 = stack.enter_context(field_file.field_file(sums.fields))
        manifest = build_manifest(inventory, sums, fields_sha256, num_notes)
        warnings = [*faults, *_find_warnings(manifest, sums, data_root)]
        for warning in warnings:
            log.line(f"warning: {warning}")
        shift = drift.compare(FieldArrays(manifest, sums.fields), reference) if reference else None
        if shift:
            log.line(f"compared with {shift.earlier_id}: {shift.verdict}")
        html = _report(manifest, inventory, sums, data_root, warnings, repeats, shift)
        folder = storage.join(data_root, DATASETS_FOLDER, manifest.dataset_id)
        _publish(fields_path, storage.join(folder, field_file.NAME))
        duplicates_sha256 = ""
        if repeats.num_tiles:
            listed = stack.enter_context(local_list(duplicates.HEADER, repeats.rows()))
            with listed.open("rb") as content:
                duplicates_sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            _publish(listed, storage.join(folder, duplicates.LIST_NAME))
    for rows in sums.records.values():
        record_table.publish_table(data_root, bytes(rows))
    origin = DatasetOrigin(
        manifest_sha256=manifest.sha256,
        manifest_file_sha256=hashlib.sha256(manifest.to_json()).hexdigest(),
        inventory_sha256=inventory.sha256,
        receipts=receipts,
        report_sha256=hashlib.sha256(html).hexdigest(),
        duplicates_sha256=duplicates_sha256,
        commit=environment.commit(),
    )
    for document in (inventory, manifest, origin):
        keep_document(data_root, document)
    storage.write_bytes(storage.join(folder, REPORT_NAME), html)
    storage.write_bytes(storage.join(folder, ORIGIN_NAME), origin.to_json())
    storage.write_bytes(storage.join(folder, MANIFEST_NAME), manifest.to_json())
    Path(report_path).parent.mkdir(parents=True, exist_ok=True)
    with naming_place(report_path):
        Path(report_path).write_bytes(html)
    manifest.write(manifest_path)
    if origin_path:
        origin.write(origin_path)

    num_bytes = sum(shard.num_bytes for shards in sums.shards.values() for shard in shards)
    log.summary = (
        f"wrote {words.counted(manifest.num_tiles, sums.fields.num_fields(), manifest.layout)} to "
        f"{manifest.num_shards:,} shards ({words.as_size(num_bytes)}), {manifest.num_rejected:,} rejected"
    )
    if num_notes:
        log.summary += f", {num_notes:,} remarks"
    return manifest


def _planned_shards(inventory: Inventory, receipts_paths: Sequence[str]) -> list[PlannedShard]:
    """Returns the planned shards, sorted by split and index.

    Raises:
      DataError: if a shard has no receipt.
    """
    handed = {digest for path in receipts_paths for digest in ShardReceipts.read(path).source_digests}
    planned = [shard for partition in inventory.partitions for shard in partition.shards]
    planned.sort(key=lambda shard: (SPLITS.index(shard.split), shard.index))
    for shard in planned:
        if shard.source_digest not in handed:
            raise DataError(
                f"{shard.split} shard {shard.index} has no receipt; did every shard task finish, on this inventory?"
            )
    return planned


def _summed(
    inventory: Inventory, planned: Sequence[PlannedShard], data_root: str
) -> tuple[DatasetSums, dict[str, str]]:
    """Adds up the receipts in the order of the plan, with only a few in memory at a time.

    Returns:
      The sums, and the sha256 of each receipt by its source digest.

    Raises:
      DataError: if a receipt is missing or does not fit the plan, or its shard is missing.
    """
    sums = DatasetSums(inventory)
    num_threads = num_threads_for(storage.is_remote(data_root))  # a receipt takes half a megabyte
    receipts = map_in_order(lambda shard: checked_receipt(data_root, shard, inventory), planned, num_threads)
    hashes = {}
    with contextlib.closing(receipts):
        for receipt, sha256 in receipts:
            sums.add(receipt)
            hashes[receipt.source_digest] = sha256
    return sums, hashes


def _require_few_rejected(
    rejections: Rejections, num_tiles: int, inventory: Inventory, planned: Sequence[PlannedShard], data_root: str
) -> None:
    """Refuses a source in which more than the allowed share of the tiles is bad."""
    limit = inventory.max_bad_fraction
    if len(rejections) <= limit * num_tiles:
        return
    most = sorted(rejections.reasons(), key=lambda reason: (-reason.num_tiles, reason.examples[0]))[:3]
    reasons = "; ".join(f"{reason.num_tiles:,} x {reason.text} (e.g. {reason.examples[0]})" for reason in most)
    # All of them are in the receipts; the sums keep only the first ones.
    of_shards = (bad for shard in planned for bad in read_shard_receipt(data_root, shard).rejected)
    rows = ((bad.tile_id, bad.reason) for bad in itertools.chain(inventory.rejected, of_shards))
    raise DataError(
        f"{len(rejections):,} of {num_tiles:,} tiles are bad, {len(rejections) / num_tiles:.1%}, more than "
        f"ingest_max_bad_fraction={limit:g} allows: {reasons}{where_all_are(data_root, 'bad-tiles', BAD_TILES, rows)}"
    )


def _find_warnings(manifest: Manifest, sums: DatasetSums, data_root: str) -> list[str]:
    """Returns warnings to read before training, one line each; none of them makes the dataset unusable."""
    found = []
    for split, summary in manifest.splits.items():
        names = [n for n, count in zip(manifest.classes, summary.class_tiles, strict=True) if not count]
        if names:
            consequence = "cannot be learned" if split == "train" else f"cannot be judged on {split}"
            found.append(f"no {split} tile has {', '.join(names)}: {consequence}")
    if shared := sums.fields.in_two_splits():
        where = where_all_are(data_root, "divided-fields", ("field",), ((field_id,) for field_id in shared))
        fields = words.number_of(len(shared), "field has", "fields have")
        found.append(f"{fields} tiles in two splits (e.g. {shared[0]}): this inflates scores{where}")
    return found


def _report(
    manifest: Manifest,
    inventory: Inventory,
    sums: DatasetSums,
    data_root: str,
    warnings: Sequence[str],
    repeats: duplicates.RepeatedPictures,
    shift: Drift | None,
) -> bytes:
    # Imported here because plotting takes a second to load, and by now nothing can refuse the dataset any more.
    from components.merge.report.data_report import data_report

    return data_report(manifest, inventory, sums, data_root, warnings, shift, repeats).encode()


def _publish(local: Path, uri: str) -> None:
    """Publishes a file whose content is the same in every run; an existing file that differs is damaged."""
    if storage.size(uri) == local.stat().st_size:
        with storage.local_copy(uri) as there:
            if filecmp.cmp(local, there, shallow=False):
                return
    storage.replace_file(local, uri)


def build_manifest(inventory: Inventory, sums: DatasetSums, fields_sha256: str, num_notes: int) -> Manifest:
    """Returns the manifest of the dataset that the receipts add up to.

    Args:
      fields_sha256: Hash of the file with the sums by field.
      num_notes: Number of all remarks; the sums hold only the first ones.

    Raises:
      DataError: if a split has no tile.
    """
    splits = {}
    for split in SPLITS:
        if not sums.splits[split].num_tiles:
            num_bad = sum(
                shard.num_tiles for part in inventory.partitions for shard in part.shards if shard.split == split
            )
            raise DataError(
                f"the {split} split has no good tile ({num_bad} rejected); train, val and test each need at least one"
            )
        splits[split] = SplitSummary(
            records_sha256=hashlib.sha256(sums.records[split]).hexdigest(),
            shards=tuple(sums.shards[split]),
            num_fields=sums.fields.num_fields(split),
            **sums.splits[split].summary_fields(),
        )
    return Manifest(
        layout=inventory.layout,
        classes=inventory.classes,
        bands=inventory.bands,
        seed=inventory.seed,
        split_origin=inventory.split_origin,
        min_class_fraction=inventory.min_class_fraction,
        tile_size_px=inventory.tile_size_px,
        tile_sizes=sums.tile_sizes,
        max_16_bit=inventory.max_16_bit if sums.num_16_bit else msgspec.UNSET,
        label_masks=inventory.label_masks or msgspec.UNSET,
        data_licence=inventory.data_licence or msgspec.UNSET,
        splits=splits,
        fields_sha256=fields_sha256,
        num_rejected=len(sums.rejections),
        rejected=sums.rejections.first(),
        num_notes=num_notes,
        notes=sums.notes.first(),
        ignored=inventory.ignored or msgspec.UNSET,
        missing_masks=inventory.missing_masks or msgspec.UNSET,
    )
