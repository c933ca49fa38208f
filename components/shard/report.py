"""The data report: what is in the dataset, what was left out, and what the tiles look like."""

import collections
import statistics
from collections.abc import Sequence

from components import report
from components.contracts import Inventory, Manifest, ShardReceipt, SourceTile
from components.shard.band_section import band_blocks
from components.shard.class_section import class_blocks
from components.shard.contact_sheet import choose_examples, contact_sheet
from components.shard.drift_report import drift_blocks
from components.shard.field_map import choose_fields, field_map_blocks
from components.shard.partition import planned_tiles
from components.shard.quarantine import note_blocks, quarantine_blocks, shown_rejections
from components.shard.shifts import Drift

_MAX_REASONS_SHOWN, _EXAMPLES_PER_REASON = 10, 3


def data_report(
    manifest: Manifest,
    inventory: Inventory,
    receipts: Sequence[ShardReceipt],
    data_root: str,
    warnings: Sequence[str],
    shift: Drift | None = None,
) -> str:
    """Returns the whole HTML page; equal data gives an equal page.

    Args:
      receipts: By split and index.
      data_root: Where the shards and the partition files are, for the contact sheet.
      warnings: One line each, shown first.
      shift: What the comparison with an earlier dataset found, if there is one.
    """
    examples = choose_examples(inventory, receipts, data_root)
    example_ids = {example.tile_id for chosen in examples.values() for example in chosen}
    shown_ids = {bad.tile_id for bad in shown_rejections(manifest.rejected)}
    rejected_ids = {bad.tile_id for bad in manifest.rejected}
    shown_fields = choose_fields(manifest)
    tiles_of_field: dict[str, list[SourceTile]] = {field.field_id: [] for field in shown_fields}
    sources: dict[str, SourceTile] = {}
    for partition in inventory.partitions:
        for tile in planned_tiles(data_root, partition, SourceTile):
            if tile.field_id in tiles_of_field and tile.tile_id not in rejected_ids:
                tiles_of_field[tile.field_id].append(tile)
            if tile.tile_id in example_ids or tile.tile_id in shown_ids:
                sources[tile.tile_id] = tile
    blocks = [
        *(report.paragraph(f"⚠ {warning}.") for warning in warnings),
        *_overview(manifest, inventory),
        *(drift_blocks(shift) if shift else []),
        *class_blocks(manifest),
        *_splits(manifest),
        *band_blocks(manifest),
        *field_map_blocks(shown_fields, tiles_of_field, inventory),
        *_rejected(manifest, inventory),
        *quarantine_blocks(manifest.rejected, inventory, sources),
        *note_blocks(manifest),
        *contact_sheet(inventory, examples, sources),
    ]
    return report.page(f"Data report: {manifest.num_tiles:,} tiles, {manifest.layout}", blocks)


def _overview(manifest: Manifest, inventory: Inventory) -> list[str]:
    splits = manifest.splits.values()
    num_bytes = sum(shard.num_bytes for split in splits for shard in split.shards)
    num_single, num_tiles = sum(split.num_single_label for split in splits), manifest.num_tiles
    num_rejected = len(manifest.rejected)
    sizes = sorted(manifest.tile_sizes.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        ("Tiles", f"{num_tiles:,}"),
        ("Fields", f"{sum(split.num_fields for split in splits):,}"),
        ("Shards", f"{manifest.num_shards:,} ({num_bytes / 1e6:,.1f} MB)"),
        ("Bands", ", ".join(manifest.bands)),
        ("Size", ", ".join(f"{size} px" for size, _ in sizes[:3]) + (f", {len(sizes) - 3} more" if sizes[3:] else "")),
        ("Split", f"{manifest.split_origin}, {' / '.join(f'{split.num_tiles:,}' for split in splits)}"),
        ("One class", f"{num_single:,} tiles ({num_single / num_tiles:.1%})"),
        ("Rejected", f"{num_rejected:,} ({num_rejected / (num_tiles + num_rejected):.2%})"),
    ]
    if inventory.num_unlabelled:
        rows.append(("Unlabelled", f"{inventory.num_unlabelled:,} tiles left aside"))
    return [report.table(("Dataset", manifest.sha256[:16]), rows)]


def _splits(manifest: Manifest) -> list[str]:
    rows = []
    for name, split in manifest.splits.items():
        per_field: collections.Counter[str] = collections.Counter()
        for field in split.fields:
            per_field[field.field_id] += field.num_tiles
        counts = per_field.values()
        spread = f"{min(counts):,} / {statistics.median(counts):g} / {max(counts):,}"
        size = sum(shard.num_bytes for shard in split.shards) / 1e6
        rows.append((name, split.num_tiles, split.num_fields, spread, len(split.shards), f"{size:,.1f}"))
    header = ("split", "tiles", "fields", "tiles per field", "shards", "MB")
    return [
        report.heading("Splits"),
        report.table(header, rows),
        report.paragraph("Tiles per field: fewest / median / most."),
    ]


def _rejected(manifest: Manifest, inventory: Inventory) -> list[str]:
    title = report.heading("Rejected tiles")
    if not manifest.rejected:
        return [title, report.paragraph("None.")]
    by_reason: dict[str, list[str]] = collections.defaultdict(list)
    for bad in manifest.rejected:
        by_reason[bad.reason].append(bad.tile_id)
    most = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [
        (f"{len(ids):,}", reason, ", ".join(ids[:_EXAMPLES_PER_REASON])) for reason, ids in most[:_MAX_REASONS_SHOWN]
    ]
    return [
        title,
        report.table(("tiles", "reason", "for example"), rows),
        report.paragraph(
            f"The manifest lists them all. The step fails above {inventory.max_bad_fraction:.1%} (max_bad_fraction)."
        ),
    ]
