"""Pictures that are there twice, in the data report: equal ones, and those that look alike if ingest found any."""

import dataclasses
from collections.abc import Mapping, Sequence

from components import report, words
from components.contracts import Inventory, NearPictures, SourceTile
from components.merge.duplicates import LIST_NAME, Duplicates, RepeatedPictures
from components.merge.report.quarantine import thumbnail

_MAX_SHOWN = 12
_MAX_NAMES = 4  # of one picture


@dataclasses.dataclass(frozen=True)
class Twice:
    """A caption for tiles to show: one for equal pictures, both of two that look alike."""

    caption: str
    tile_ids: tuple[str, ...]


def choose_twice(repeats: RepeatedPictures | None, near: NearPictures | None) -> list[Twice]:
    """Returns the first pictures to show: in two splits, with contradicting classes, other equal ones, near ones."""
    groups = sorted(
        repeats.named if repeats else (), key=lambda group: (len(group.splits) < 2, not group.is_contradicting)
    )
    equal = [Twice(_caption(group), (group.tiles[0].tile_id,)) for group in groups[:_MAX_SHOWN]]
    alike = [
        Twice(f"look alike, {pair.num_bits} of 64 bits differ", (pair.tile_id, pair.other_id))
        for pair in (near.shown if near else ())[:_MAX_SHOWN]
    ]
    return [*equal, *alike]


def twice_blocks(
    chosen: Sequence[Twice], repeats: RepeatedPictures | None, inventory: Inventory, sources: Mapping[str, SourceTile]
) -> list[str]:
    """Returns the blocks of the section; empty if no picture is there twice.

    Args:
      chosen: From choose_twice.
      sources: The tiles to show, by id; one that is gone from the source is left out.
    """
    if not chosen:
        return []
    blocks = [report.heading("Pictures that are there twice")]
    if repeats and repeats.num_tiles:
        unit = words.unit(inventory.layout)
        where, clash = "Each picture is in one split.", ""
        if repeats.num_across:
            where = f"{words.number_of(repeats.num_across, 'picture is', 'pictures are')} in two splits."
        if repeats.num_contradicting:
            those = words.number_of(repeats.num_contradicting, "picture has", "pictures have")
            clash = f" {those} different classes under different names."
        blocks.append(
            report.paragraph(
                f"{words.number_of(repeats.num_tiles, f'{unit} repeats', f'{unit}s repeat')} the picture of another. "
                f"{where}{clash} {LIST_NAME} beside the manifest lists all."
            )
        )
    if inventory.near:
        listed = f" {inventory.near.list_path} under data_root lists all." if inventory.near.list_path else ""
        pairs = words.number_of(inventory.near.num_pairs, "pair of pictures looks", "pairs of pictures look")
        text = f"{pairs} alike; each pair is in one split.{listed}"
        blocks.append(report.paragraph(text))
    pictures = []
    for each in chosen:
        for tile_id in each.tile_ids:
            source = sources.get(tile_id)
            pixels = thumbnail(source.rgb, inventory.source_uri) if source else None
            if pixels is not None:
                caption = each.caption if len(each.tile_ids) == 1 else f"{tile_id}: {each.caption}"
                pictures.append((pixels, caption))
    return [*blocks, report.gallery(pictures)] if pictures else blocks


def _caption(group: Duplicates) -> str:
    """Returns the names of a picture; with its classes and splits if they differ."""
    parts = []
    for tile in group.tiles[:_MAX_NAMES]:
        facts = [tile.classes or "no class"] if group.is_contradicting else []
        facts += [tile.split] if len(group.splits) > 1 else []
        parts.append(f"{tile.tile_id} ({', '.join(facts)})" if facts else tile.tile_id)
    more = len(group.tiles) - _MAX_NAMES
    return " = ".join(parts) + (f" and {more:,} more" if more > 0 else "")
