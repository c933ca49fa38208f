"""The data report: what is in the dataset, what was left out, and what the tiles look like."""

from collections.abc import Sequence

import numpy as np

from components import report, words
from components.contracts import Inventory, Manifest, SourceTile
from components.dataset.dataset_sums import DatasetSums
from components.dataset.drift.findings import Drift
from components.dataset.drift.show import drift_blocks
from components.dataset.field_table import FieldTable
from components.dataset.first_sorted import Rejections
from components.dataset.partition import chosen_tiles
from components.dataset.receipts import read_shard_receipt
from components.errors import DataError
from components.merge.duplicates import RepeatedPictures
from components.merge.report.band_section import band_blocks
from components.merge.report.class_section import class_blocks
from components.merge.report.contact_sheet import choose_class_examples, contact_sheet
from components.merge.report.field_map import ShownField, choose_fields, field_map_blocks
from components.merge.report.ignored_section import ignored_blocks
from components.merge.report.quarantine import note_blocks, quarantine_blocks, shown_rejections
from components.merge.report.twice import choose_twice, twice_blocks

_MAX_REASONS_SHOWN = 10


def data_report(
    manifest: Manifest,
    inventory: Inventory,
    sums: DatasetSums,
    data_root: str,
    warnings: Sequence[str],
    shift: Drift | None = None,
    repeats: RepeatedPictures | None = None,
) -> str:
    """Returns the whole HTML page; equal data gives an equal page.

    Args:
      sums: The sums that the manifest was made from.
      data_root: Where the shards, receipts and partition files are, which the page shows single tiles from.
      warnings: One line each, shown first.
      shift: The comparison with an earlier dataset, if there is one.
      repeats: The pictures that are there under two names.
    """
    examples = choose_class_examples(inventory.classes, sums.first_shard, data_root)
    shown_fields = choose_fields(sums.fields)
    shown_ids = {example.tile_id for chosen in examples.values() for example in chosen}
    shown_ids |= {bad.tile_id for bad in shown_rejections(sums.rejections)}
    twice = choose_twice(repeats, inventory.near)
    shown_ids |= {tile_id for each in twice for tile_id in each.tile_ids}
    sources, tiles_of_field = _sources(inventory, shown_ids, shown_fields, data_root)
    if unknown := {example.tile_id for chosen in examples.values() for example in chosen} - {*sources}:
        raise DataError(f"no partition file has the tile {min(unknown)!r}, which a shard has; run ingest again")
    blocks = [
        *(report.paragraph(f"⚠ {warning}.") for warning in warnings),
        *_overview(manifest, inventory),
        *(drift_blocks(shift) if shift else []),
        *class_blocks(manifest, sums.fields, {split: sums.num_background(split) for split in manifest.splits}),
        *_splits(manifest, sums.fields),
        *band_blocks(manifest, sums.fields),
        *field_map_blocks(shown_fields, tiles_of_field, inventory),
        *ignored_blocks(inventory),
        *_rejected(sums.rejections, inventory),
        *quarantine_blocks(sums.rejections, inventory, sources),
        *twice_blocks(twice, repeats, inventory, sources),
        *note_blocks(manifest),
        *contact_sheet(inventory, examples, sources),
    ]
    return report.page(
        f"Data report: {words.number_of(manifest.num_tiles, _unit(manifest))}, {manifest.layout}", blocks
    )


def _unit(manifest: Manifest) -> str:
    return words.unit(manifest.layout)


def _has_fields(manifest: Manifest) -> bool:
    num_fields = sum(split.num_fields for split in manifest.splits.values())
    return words.has_fields(manifest.num_tiles, num_fields, manifest.layout)


def _sources(
    inventory: Inventory, shown_ids: set[str], fields: Sequence[ShownField], data_root: str
) -> tuple[dict[str, SourceTile], dict[str, list[SourceTile]]]:
    """Reads all partitions; returns the tiles to show, by id, and the good tiles of the fields to show."""
    tiles_of_field: dict[str, list[SourceTile]] = {field.field_id: [] for field in fields}
    sources: dict[str, SourceTile] = {}
    for partition in inventory.partitions:
        planned = {(shard.split, shard.index): shard for shard in partition.shards}
        found = list(
            chosen_tiles(
                data_root, partition, lambda tile: tile.tile_id in shown_ids or tile.field_id in tiles_of_field
            )
        )
        sources |= {tile.tile_id: tile for tile in found if tile.tile_id in shown_ids}
        of_fields = [tile for tile in found if tile.field_id in tiles_of_field]
        shards = {(tile.split, tile.shard) for tile in of_fields}
        rejected = {bad.tile_id for key in shards for bad in read_shard_receipt(data_root, planned[key]).rejected}
        for tile in of_fields:
            if tile.tile_id not in rejected:
                tiles_of_field[tile.field_id].append(tile)
    return sources, tiles_of_field


def _overview(manifest: Manifest, inventory: Inventory) -> list[str]:
    splits = manifest.splits.values()
    num_bytes = sum(shard.num_bytes for split in splits for shard in split.shards)
    num_single, num_tiles = sum(split.num_single_label for split in splits), manifest.num_tiles
    num_rejected = manifest.num_rejected
    sizes = sorted(manifest.tile_sizes.items(), key=lambda item: (-item[1], item[0]))
    num_fields = sum(split.num_fields for split in splits)
    origin = words.origin(manifest.split_origin, num_tiles, num_fields, manifest.layout)
    rows = [
        (f"{_unit(manifest).capitalize()}s", f"{num_tiles:,}"),
        *([("Fields", f"{num_fields:,}")] if _has_fields(manifest) else []),
        ("Shards", f"{manifest.num_shards:,} ({words.as_size(num_bytes)})"),
        ("Bands", ", ".join(manifest.bands)),
        ("Size", ", ".join(f"{size} px" for size, _ in sizes[:3]) + (f", {len(sizes) - 3} more" if sizes[3:] else "")),
        ("Split", f"{origin}, {' / '.join(f'{split.num_tiles:,}' for split in splits)}"),
        ("One class", f"{words.number_of(num_single, _unit(manifest))} ({num_single / num_tiles:.1%})"),
        ("Rejected", f"{num_rejected:,} ({num_rejected / (num_tiles + num_rejected):.2%})"),
    ]
    if manifest.tile_size_px:
        rows.append(("Scaled", f"down to {manifest.tile_size_px} px where larger (shard_tile_size_px)"))
    if manifest.max_16_bit:
        rows.append(("16 bits", f"0 to {manifest.max_16_bit:,} became 0 to 255 (shard_max_16_bit)"))
    if manifest.label_masks:
        rows.append(("Masks", "the pixels of each class are stored (shard_label_masks)"))
    if manifest.data_licence:
        rows.append(("Licence", manifest.data_licence))
    if inventory.num_unlabelled:
        rows.append(("Unlabelled", f"{words.number_of(inventory.num_unlabelled, _unit(manifest))} left out"))
    return [report.table(("Dataset", manifest.sha256[:16]), rows)]


def _splits(manifest: Manifest, fields: FieldTable) -> list[str]:
    rows = []
    for name, split in manifest.splits.items():
        counts = fields.tiles_by_field(name)
        spread = f"{counts.min():,} / {np.median(counts):g} / {counts.max():,}"
        size = words.Number(words.as_size(sum(shard.num_bytes for shard in split.shards)))
        of_fields = (split.num_fields, spread) if _has_fields(manifest) else ()
        rows.append((name, split.num_tiles, *of_fields, len(split.shards), size))
    header = ("fields", "tiles per field") if _has_fields(manifest) else ()
    return [
        report.heading("Splits"),
        report.table(("split", f"{_unit(manifest)}s", *header, "shards", "size"), rows),
        *([report.paragraph("Tiles per field: fewest / median / most.")] if _has_fields(manifest) else []),
    ]


def _rejected(rejections: Rejections, inventory: Inventory) -> list[str]:
    title = report.heading(f"Rejected {words.unit(inventory.layout)}s")
    if not len(rejections):
        return [title, report.paragraph("None.")]
    rows = [
        (reason.text, reason.num_tiles, ", ".join(reason.examples))
        for reason in rejections.reasons()[:_MAX_REASONS_SHOWN]
    ]
    listed = len(rejections.first())
    where = "all of them" if listed == len(rejections) else f"the first {listed:,}, the shards' receipts all of them"
    return [
        title,
        report.table(("reason", f"{words.unit(inventory.layout)}s", "for example"), rows),
        report.paragraph(
            f"The manifest lists {where}. "
            f"The step fails above {inventory.max_bad_fraction:.1%} (ingest_max_bad_fraction)."
        ),
    ]
