"""The data report: what is in the dataset, what was left out, and what the tiles look like."""

import collections
import itertools
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from components import report
from components.agrivision import BANDS, CLASS_FOLDERS
from components.contracts import Inventory, Manifest, ShardReceipt, SourceTile
from components.shard.contact_sheet import choose_examples, contact_sheet
from components.shard.partition import planned_tiles

_BAND_COLOURS = dict(zip(BANDS, ("#c0392b", "#2e8b57", "#2b6cb0", "#6b4c9a"), strict=True))
_SPLIT_COLOURS = ("#2e6b4a", "#8fbf9f", "#c9a24b")
_MAX_REASONS_SHOWN, _EXAMPLES_PER_REASON = 10, 3


def data_report(
    manifest: Manifest,
    inventory: Inventory,
    receipts: Sequence[ShardReceipt],
    data_root: str,
    warnings: Sequence[str],
) -> str:
    """Returns the whole HTML page; equal data gives an equal page.

    Args:
      receipts: By split and index.
      data_root: Where the shards and the partition files are, for the contact sheet.
      warnings: One line each, shown first.
    """
    examples = choose_examples(inventory, receipts, data_root)
    example_ids = {example.tile_id for chosen in examples.values() for example in chosen}
    rejected_ids = {bad.tile_id for bad in manifest.rejected}
    tiles_of_field: collections.Counter[tuple[str, str]] = collections.Counter()  # by split and field
    sources: dict[str, SourceTile] = {}
    for partition in inventory.partitions:
        for tile in planned_tiles(data_root, partition, SourceTile):
            if tile.tile_id not in rejected_ids:
                tiles_of_field[tile.split, tile.field_id] += 1
            if tile.tile_id in example_ids:
                sources[tile.tile_id] = tile
    blocks = [
        *(report.paragraph(f"⚠ {warning}.") for warning in warnings),
        *_overview(manifest, inventory),
        *_classes(manifest),
        *_splits(manifest, tiles_of_field),
        *_bands(manifest),
        *_rejected(manifest, inventory),
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


def _classes(manifest: Manifest) -> list[str]:
    summaries = list(manifest.splits.values())
    train = manifest.splits["train"]
    total = [sum(split.class_tiles[i] for split in summaries) for i in range(len(manifest.classes))]
    has_pixels = manifest.layout != CLASS_FOLDERS
    rows = [
        (
            name,
            *(split.class_tiles[i] for split in summaries),
            total[i],
            *([f"{train.class_pixels[i] / train.valid_pixels:.1%}"] if has_pixels else []),
        )
        for i, name in enumerate(manifest.classes)
    ]
    header = ("class", *manifest.splits, "all", *(["train pixels"] if has_pixels else []))
    blocks = [
        report.heading("Classes"),
        report.table(header, rows),
        report.figure(_class_figure(manifest), "Tiles that have the class, by split."),
    ]
    counts = dict(zip(manifest.classes, train.class_tiles, strict=True))
    most = max(counts, key=lambda name: counts[name])
    fewest = min((name for name in counts if counts[name]), key=lambda name: counts[name], default=most)
    if counts[fewest]:
        ratio = counts[most] / counts[fewest]
        blocks.append(report.paragraph(f"Imbalance in train: {ratio:.1f} : 1, {most} to {fewest}."))
    cooccurrence = np.sum([split.cooccurrence for split in summaries], axis=0)  # [C, C]
    pairs = [(int(cooccurrence[i, j]), i, j) for i, j in itertools.combinations(range(len(manifest.classes)), 2)]
    pairs = sorted((pair for pair in pairs if pair[0]), reverse=True)
    if pairs:
        blocks.append(report.paragraph("Classes that share a tile, most frequent first:"))
        names = manifest.classes
        blocks.append(report.table(("pair", "tiles"), [(f"{names[i]} + {names[j]}", n) for n, i, j in pairs[:6]]))
    return blocks


def _class_figure(manifest: Manifest) -> Figure:
    num_classes = len(manifest.classes)
    plot = Figure(figsize=(6, 0.8 + 0.32 * num_classes))
    axes = plot.subplots()
    left = np.zeros(num_classes)
    for (name, split), colour in zip(manifest.splits.items(), _SPLIT_COLOURS, strict=True):
        axes.barh(range(num_classes), split.class_tiles, left=left, color=colour, label=name, height=0.7)
        left += split.class_tiles
    axes.set_yticks(range(num_classes), manifest.classes)
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
    return plot


def _splits(manifest: Manifest, tiles_of_field: Mapping[tuple[str, str], int]) -> list[str]:
    rows = []
    for name, split in manifest.splits.items():
        per_field = [count for (split_name, _), count in tiles_of_field.items() if split_name == name]
        spread = f"{min(per_field):,} / {statistics.median(per_field):g} / {max(per_field):,}"
        size = sum(shard.num_bytes for shard in split.shards) / 1e6
        rows.append((name, split.num_tiles, split.num_fields, spread, len(split.shards), f"{size:,.1f}"))
    header = ("split", "tiles", "fields", "tiles per field", "shards", "MB")
    return [
        report.heading("Splits"),
        report.table(header, rows),
        report.paragraph("Tiles per field: fewest / median / most."),
    ]


def _bands(manifest: Manifest) -> list[str]:
    train = manifest.splits["train"]
    rows = zip(manifest.bands, train.band_mean, train.band_std, strict=True)
    plot = Figure(figsize=(6, 2.6))
    axes = plot.subplots()
    for band, counts in zip(manifest.bands, train.band_histogram, strict=True):
        share = 100 * np.asarray(counts) / max(sum(counts), 1)
        axes.plot(range(256), share, color=_BAND_COLOURS[band], linewidth=1.3, label=band)
    axes.set_xlim(0, 255)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("value")
    axes.set_ylabel("% of valid pixels")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return [
        report.heading("Bands"),
        report.table(("band, 0 to 1", "mean", "std"), rows),
        report.figure(plot, "Valid pixels of train by value."),
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
