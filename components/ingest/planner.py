"""Which tiles go to which shard, and which shards to which partition.

A shard's tiles, their order and so its bytes follow from the tiles, the seed and the number of
shards; never from the number of partitions.
"""

import collections
import dataclasses
from array import array
from collections.abc import Mapping
from typing import TypeAlias

from components.agrivision import SPLITS
from components.errors import SettingsError
from components.ingest.tile_table import TileTable

SplitSize: TypeAlias = tuple[int, int]  # tiles, and about what they take in the shards, bytes

MB = 10**6
SMALLEST_SHARD_MB = 10  # smaller ones spend their time on being opened, on a bucket above all
SHARDS_PER_WORKER = 8  # enough to shuffle by shard, and to share out among another number of workers


def num_shards(split: str, num_tiles: int, num_bytes: int, shard_size_mb: int, num_workers: int) -> int:
    """Returns how many shards a split gets.

    What follows from its bytes is one of the steps 1, 2, 3, 4, 6, 8, 12, 16, 24, …: another number of shards deals all
    tiles anew, so few more tiles must seldom bring one. Of a hundredth more, it stays in 97 of 100 cases.

    1. As many as its bytes fill, to the nearest step: shards are 0.7 to 1.4 times as large as was asked for.
    2. Train: SHARDS_PER_WORKER per worker; where they would be below SMALLEST_SHARD_MB, the largest step that is not.
    3. Train: one per worker at least, however small, as a worker without a shard has nothing to read.
    4. Never more than there are tiles.

    Args:
      num_tiles: At least 1, and for train at least `num_workers`.
      num_bytes: Of the tiles as they are stored, about.

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
    """Returns the step that brings the size of a shard closest to `shard_size_mb`, in proportion; at least 1."""
    size = shard_size_mb * MB
    below = max(1, step_below(num_bytes // size))
    above = below + max(1, (1 << below.bit_length()) // 4)
    return above if num_bytes**2 >= below * above * size**2 else below


def shards_for_workers(num_bytes: int, num_workers: int) -> int:
    """Returns SHARDS_PER_WORKER for each if all can have SMALLEST_SHARD_MB; else the largest step at which all have."""
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
    """Tells the shard of every tile: by a hash of its name, so that a tile more or less changes one shard.

    Shards are numbered through all splits and dealt to the partitions in turn.

    Attributes:
      places: Of the shards, by the number that position() returns: those of a partition stand together, by split and
        index.

    Args:
      split_of: By field, an index into SPLITS.
      num_shards: By split, at most as many as it has tiles.
      num_partitions: At most as many as there are shards will be used.
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
        """Returns the position of a tile's shard among all shards in the order of partitions."""
        if self._moved and tile in self._moved:
            return self._positions[self._moved[tile]]
        return self._positions[self._shard(field, shard_hash)]

    def _shard(self, field: int, shard_hash: int) -> int:
        split = self._split_of[field]
        return self._firsts[split] + shard_hash % self._counts[split]

    def _fill_empty(self, table: TileTable) -> None:
        """Moves a tile to each shard that the hash has missed, where there are only a few tiles to each."""
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
