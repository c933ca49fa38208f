"""Assigns tiles to shards, and shards to partitions.

A shard's tiles, their order and so its bytes depend on the tiles, the seed and the number of
shards, never on the number of partitions.
"""

import collections
import dataclasses
from array import array
from collections.abc import Mapping
from typing import TypeAlias

from components.agrivision import SPLITS
from components.errors import SettingsError
from components.ingest.tile_table import TileTable

SplitSize: TypeAlias = tuple[int, int]  # number of tiles, and their approximate bytes in the shards

MB = 10**6
SMALLEST_SHARD_MB = 10  # reading smaller ones is mostly opening them, above all on a bucket
SHARDS_PER_WORKER = 8  # enough to shuffle by shard, and to divide among another number of workers


def num_shards(split: str, num_tiles: int, num_bytes: int, shard_size_mb: int, num_workers: int) -> int:
    """Returns how many shards a split gets.

    The number that its bytes call for is one of the steps 1, 2, 3, 4, 6, 8, 12, 16, 24, …: another number deals all
    tiles again, so a few more tiles must rarely lead to one. With 1 % more tiles, it stays the same in 97 of 100 cases.

    1. As many as its bytes fill, to the nearest step: shards are 0.7 to 1.4 times the requested size.
    2. Train: SHARDS_PER_WORKER per worker, or the largest step that keeps shards from being below SMALLEST_SHARD_MB.
    3. Train: at least one per worker, however small, because a worker without a shard has nothing to read.
    4. Never more than there are tiles.

    Args:
      num_tiles: At least 1, and for train at least `num_workers`.
      num_bytes: Approximate size of the tiles as stored.

    Raises:
      SettingsError: if train has fewer tiles than there are workers.
    """
    wanted = shards_by_size(num_bytes, shard_size_mb)
    if split == "train":
        if num_tiles < num_workers:
            raise SettingsError(
                f"more workers than shards: train_num_workers={num_workers}, but there are only {num_tiles} train "
                f"tiles; set train_num_workers to at most {num_tiles}, or add tiles"
            )
        wanted = max(wanted, shards_for_workers(num_bytes, num_workers), num_workers)
    return min(wanted, num_tiles)


def shards_by_size(num_bytes: int, shard_size_mb: int) -> int:
    """Returns the step whose shard size is closest to `shard_size_mb`, as a ratio; at least 1."""
    size = shard_size_mb * MB
    below = max(1, step_below(num_bytes // size))
    above = below + max(1, (1 << below.bit_length()) // 4)
    return above if num_bytes**2 >= below * above * size**2 else below


def shards_for_workers(num_bytes: int, num_workers: int) -> int:
    """Returns SHARDS_PER_WORKER for each worker, or the largest step at which all shards have SMALLEST_SHARD_MB."""
    enough, fitting = SHARDS_PER_WORKER * num_workers, num_bytes // (SMALLEST_SHARD_MB * MB)
    return enough if enough <= fitting else step_below(fitting)


def step_below(count: int) -> int:
    """Returns the largest of 1, 2, 3, 4, 6, 8, 12, 16, 24, … that is at most `count`; 0 for 0."""
    power = 1 << count.bit_length() >> 1
    return power + power // 2 if 2 * count >= 3 * power else power


@dataclasses.dataclass(frozen=True)
class ShardPlace:
    """A shard's split, its index within it, and its partition."""

    split: str
    index: int
    partition: int


class Deal:
    """Assigns each tile to a shard by a hash of its name, so adding or removing a tile changes only one shard.

    Shards are numbered across all splits and dealt to the partitions in turn.

    Attributes:
      places: The shards' places, by the number that position() returns: those of a partition are consecutive, sorted
        by split and index.

    Args:
      split_of: The split of each field, as an index into SPLITS.
      num_shards: Number of shards by split, at most the number of its tiles.
      num_partitions: At most this many partitions are used, and never more than there are shards.
    """

    def __init__(
        self, table: TileTable, split_of: bytearray, num_shards: Mapping[str, int], num_partitions: int
    ) -> None:
        self._split_of = split_of
        self._counts = [num_shards[split] for split in SPLITS]
        self._firsts = [sum(self._counts[:split]) for split in range(len(SPLITS))]
        self._moved: dict[int, int] = {}
        total = sum(self._counts)
        self.num_partitions = min(num_partitions, total)
        order = [shard for part in range(self.num_partitions) for shard in range(part, total, self.num_partitions)]
        self._positions = array("Q", bytes(8 * total))
        self.places = []
        for position, shard in enumerate(order):
            self._positions[shard] = position
            split = max(split for split, first in enumerate(self._firsts) if first <= shard)
            place = ShardPlace(SPLITS[split], shard - self._firsts[split], shard % self.num_partitions)
            self.places.append(place)
        self._fill_empty(table)

    def position(self, tile: int, field: int, shard_hash: int) -> int:
        """Returns the position of a tile's shard among all shards, in the order of the partitions."""
        if self._moved and tile in self._moved:
            return self._positions[self._moved[tile]]
        return self._positions[self._shard(field, shard_hash)]

    def _shard(self, field: int, shard_hash: int) -> int:
        split = self._split_of[field]
        return self._firsts[split] + shard_hash % self._counts[split]

    def _fill_empty(self, table: TileTable) -> None:
        """Moves a tile to each shard that the hash left empty, which happens with only a few tiles per shard."""
        counts = array("Q", bytes(8 * len(self._positions)))
        for field, shard_hash in table.database.execute("SELECT field, shard_hash FROM tiles"):
            counts[self._shard(field, shard_hash)] += 1
        moves = []
        for split, first in enumerate(self._firsts):
            of_split = range(first, first + self._counts[split])
            for shard in of_split:
                if not counts[shard]:
                    donor = max(of_split, key=counts.__getitem__)
                    counts[donor] -= 1
                    counts[shard] += 1
                    moves.append((donor, shard))
        if not moves:
            return
        members: dict[int, list[int]] = collections.defaultdict(list)
        donors = {donor for donor, _ in moves}
        query = "SELECT number, field, shard_hash FROM tiles ORDER BY order_hash, number"
        for number, field, shard_hash in table.database.execute(query):
            if (shard := self._shard(field, shard_hash)) in donors:
                members[shard].append(number)
        self._moved = {members[donor].pop(): shard for donor, shard in moves}


def sizes_of(table: TileTable, split_of: bytearray) -> dict[str, SplitSize]:
    """Returns tiles and stored bytes by split."""
    num_tiles, num_bytes = [0] * len(SPLITS), [0] * len(SPLITS)
    for field, tiles, size in table.database.execute("SELECT number, num_tiles, num_bytes FROM fields"):
        num_tiles[split_of[field]] += tiles
        num_bytes[split_of[field]] += size
    return dict(zip(SPLITS, zip(num_tiles, num_bytes, strict=True), strict=True))
