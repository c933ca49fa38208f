"""Which tiles go to which shard, and which shards to which partition.

A shard's tiles, their order and so its bytes follow from the tiles, the seed and the number of
shards; never from the number of partitions.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import msgspec

from components.agrivision import SPLITS
from components.contracts import FORMAT_VERSION, PlannedShard, SourceTile
from components.errors import SettingsError
from components.ingest.keyed_hash import keyed_hash

MB = 10**6
SMALLEST_SHARD_MB = 10  # smaller ones spend their time on being opened, on a bucket above all
SHARDS_PER_WORKER = 8  # enough to shuffle by shard, and to share out among another number of workers


@dataclasses.dataclass(frozen=True)
class FilledShard:
    """A planned shard and its tiles, in their order."""

    planned: PlannedShard
    tiles: list[SourceTile]


def num_shards(split: str, num_tiles: int, num_bytes: int, shard_size_mb: int, num_workers: int) -> int:
    """Returns how many shards a split gets.

    1. As many as its bytes fill.
    2. Train: up to SHARDS_PER_WORKER per worker, as long as none falls below SMALLEST_SHARD_MB.
    3. Train: one per worker at least, however small, as a worker without a shard has nothing to read.
    4. Never more than there are tiles.

    Args:
      num_tiles: At least 1, and for train at least `num_workers`.
      num_bytes: Of the tiles' images.

    Raises:
      SettingsError: if train has fewer tiles than there are workers.
    """
    wanted = max(1, -(-num_bytes // (shard_size_mb * MB)))
    if split == "train":
        if num_tiles < num_workers:
            raise SettingsError(
                f"more workers than shards: train_num_workers={num_workers}, but there are only {num_tiles} train "
                f"tiles; set train_num_workers to at most {num_tiles}, or add tiles"
            )
        wanted = max(wanted, min(SHARDS_PER_WORKER * num_workers, num_bytes // (SMALLEST_SHARD_MB * MB)), num_workers)
    return min(wanted, num_tiles)


def fill_shards(
    tiles: Sequence[SourceTile],
    *,
    seed: int,
    shard_size_mb: int,
    num_workers: int,
    layout: str,
    classes: Sequence[str],
    bands: Sequence[str],
    min_class_fraction: float,
) -> list[FilledShard]:
    """Returns all shards, by split and index, none of them empty.

    Args:
      tiles: In any order, each with its split; their names are unique.

    Raises:
      SettingsError: if there are fewer train tiles than workers.
    """
    # All that a shard's bytes and its receipt follow from, beside its tiles.
    recipe = msgspec.json.encode([FORMAT_VERSION, layout, classes, bands, min_class_fraction])
    filled = []
    for split in SPLITS:
        of_split = [tile for tile in tiles if tile.split == split]
        num_bytes = sum(image_bytes(tile) for tile in of_split)
        count = num_shards(split, len(of_split), num_bytes, shard_size_mb, num_workers)
        for index, members in enumerate(_deal(of_split, count, seed)):
            members = [msgspec.structs.replace(tile, shard=index) for tile in members]
            planned = PlannedShard(
                split=split,
                index=index,
                num_tiles=len(members),
                num_bytes=sum(image_bytes(tile) for tile in members),
                source_digest=_source_digest(recipe, members),
            )
            filled.append(FilledShard(planned, members))
    return filled


def share_out(shards: Sequence[FilledShard], num_partitions: int) -> list[list[FilledShard]]:
    """Returns the shards of each partition, dealt in turn; fewer partitions if there are fewer shards."""
    num_partitions = min(num_partitions, len(shards))
    return [list(shards[index::num_partitions]) for index in range(num_partitions)]


def image_bytes(tile: SourceTile) -> int:
    """Returns about what the tile takes in a shard: its images as they are, and one mask."""
    files = (tile.rgb, tile.nir, tile.boundary or tile.mask)
    return sum(file.num_bytes for file in files if file is not None)


def _deal(tiles: Sequence[SourceTile], count: int, seed: int) -> list[list[SourceTile]]:
    """Returns the tiles of each shard: by a hash of their name, so that a tile more or less changes one shard."""
    shards: list[list[SourceTile]] = [[] for _ in range(count)]
    for tile in tiles:
        shards[int.from_bytes(keyed_hash("shard", seed, tile.tile_id)) % count].append(tile)
    for shard in shards:
        shard.sort(key=lambda tile: (keyed_hash("order", seed, tile.tile_id), tile.tile_id))
    # A hash may miss a shard where there are only a few tiles to each.
    for shard in shards:
        if not shard:
            shard.append(max(shards, key=len).pop())
    return shards


def _source_digest(recipe: bytes, tiles: Sequence[SourceTile]) -> str:
    digest = hashlib.sha256(recipe)
    for tile in tiles:
        # Where a shard belongs is no part of its content: the same tiles in another place need no new shard.
        digest.update(b"\n" + msgspec.json.encode(msgspec.structs.replace(tile, split="", shard=0), order="sorted"))
    return digest.hexdigest()
