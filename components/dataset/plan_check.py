"""Checks that the lines of a partition file are those that ingest planned."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from components.contracts import Inventory, Partition, PlannedShard, SourceTile
from components.dataset.partition import chosen_tiles
from components.errors import DataError
from components.source_digest import SourceDigest

ShardKey: TypeAlias = tuple[str, int]  # split, index


def as_planned(
    tiles: Iterable[SourceTile], shards: Mapping[ShardKey, PlannedShard], inventory: Inventory, path: str
) -> Iterator[SourceTile]:
    """Yields the tiles of `shards`; fails after the last tile of a shard if one of its lines was changed.

    Otherwise a name, a path or a class that a disk or an editor changed would end up in a shard, and the shard's
    receipt would make every later run accept it as planned.

    Args:
      tiles: Sorted by shard; those of other shards are left out.
      path: The partition file, for error messages.

    Raises:
      DataError: if a shard's tiles are not those planned.
    """
    current: ShardKey | None = None
    digest, num_tiles = _new_digest(inventory), 0
    for tile in tiles:
        key = (tile.split, tile.shard)
        if key not in shards:
            continue
        if key != current:
            if current is not None:
                _require_planned(shards[current], num_tiles, digest, path)
            current, digest, num_tiles = key, _new_digest(inventory), 0
        digest.add(tile)
        num_tiles += 1
        yield tile
    if current is not None:
        _require_planned(shards[current], num_tiles, digest, path)


def planned_names(
    shards: Mapping[ShardKey, PlannedShard], partition: Partition, inventory: Inventory, data_root: str
) -> Iterator[tuple[ShardKey, list[tuple[str, str]]]]:
    """Yields each shard of a partition with name and RGB file of its tiles, after checking that they are those planned.

    Raises:
      DataError: if they are not, or a shard has none.
    """
    if not shards:
        return
    tiles = chosen_tiles(data_root, partition, lambda tile: (tile.split, tile.shard) in shards)
    num_shards = 0
    checked = as_planned(tiles, shards, inventory, partition.path)
    for key, group in itertools.groupby(checked, key=lambda tile: (tile.split, tile.shard)):
        # Reads to the end of the shard, where the check is. Keeps names, not tiles: a shard may hold many small tiles.
        yield key, [(tile.tile_id, tile.rgb.path) for tile in group]
        num_shards += 1
    if num_shards != len(shards):
        raise DataError(
            f"{partition.path!r} has tiles of {num_shards} of {len(shards)} shards; remove it and run ingest again"
        )


def _new_digest(inventory: Inventory) -> SourceDigest:
    return SourceDigest(
        layout=inventory.layout,
        classes=inventory.classes,
        bands=inventory.bands,
        min_class_fraction=inventory.min_class_fraction,
        tile_size_px=inventory.tile_size_px,
        max_16_bit=inventory.max_16_bit,
        label_masks=inventory.label_masks,
    )


def _require_planned(planned: PlannedShard, num_tiles: int, digest: SourceDigest, path: str) -> None:
    name = f"{planned.split} shard {planned.index}"
    if num_tiles != planned.num_tiles:
        raise DataError(
            f"{name}: the inventory plans {planned.num_tiles} tiles, but {path!r} has {num_tiles}; "
            "remove it and run ingest again"
        )
    if digest.hexdigest() != planned.source_digest:
        raise DataError(
            f"{name}: its lines in {path!r} are not those in the inventory's plan, so the file was changed after "
            "ingest wrote it; remove it and run ingest again"
        )
