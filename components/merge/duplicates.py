"""Finds the same picture under two names, by the bytes of its RGB file."""

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.agrivision import CLASS_FOLDERS
from components.contracts import Inventory, Note, PlannedShard
from components.dataset.first_sorted import MAX_LISTED, FirstSorted
from components.dataset.picture_digests import PictureDigests, is_in
from components.dataset.plan_check import planned_names
from components.dataset.receipts import read_shard_receipt
from components.errors import DataError


@dataclasses.dataclass(frozen=True, order=True)
class NamedTile:
    """A tile and its split."""

    tile_id: str
    split: str


@dataclasses.dataclass(frozen=True, order=True)
class Duplicates:
    """At least two tiles with the same picture, sorted; if there are thousands, not all of them."""

    tiles: tuple[NamedTile, ...]

    @property
    def splits(self) -> set[str]:
        """The splits that have the picture."""
        return {tile.split for tile in self.tiles}


@dataclasses.dataclass(frozen=True)
class RepeatedPictures:
    """The pictures that occur under two or more names.

    Attributes:
      num_tiles: Tiles that repeat a picture, not counting the first of each picture.
      num_across: Pictures in two splits.
      named: The pictures, sorted by their first name; if there are thousands, not all, but those in two splits first.
    """

    num_tiles: int
    num_across: int
    named: Sequence[Duplicates]


def find_repeats(
    digests: PictureDigests,
    num_tiles: Mapping[tuple[str, int], int],
    inventory: Inventory,
    data_root: str,
) -> RepeatedPictures:
    """Finds the pictures that occur under two or more names, and their names.

    Args:
      digests: Added in the order of split, shard index and record.
      num_tiles: Good tiles by split and index, in the same order, of every planned shard.
      data_root: Where the partition files with the names are.
    """
    across, within, num_repeated = digests.repeats()
    within = within[~is_in(within, across)]
    wanted = np.sort(np.concatenate([across, within])[:MAX_LISTED])
    if not len(wanted):
        return RepeatedPictures(0, 0, ())
    names, chosen = _Names(), set(wanted.tolist())
    hits = _shards_with(wanted, digests, num_tiles)
    for partition in inventory.partitions:
        planned = {key: shard for shard in partition.shards if (key := (shard.split, shard.index)) in hits}
        for key, tiles in planned_names(planned, partition, inventory, data_root):
            good = _good(tiles, planned[key], num_tiles[key], data_root)
            for tile_id, digest in zip(good, hits[key].tolist(), strict=True):
                if digest in chosen:
                    names.add(digest, NamedTile(tile_id, planned[key].split))
    return RepeatedPictures(num_repeated, len(across), names.groups())


def _shards_with(
    wanted: NDArray[np.uint64], digests: PictureDigests, num_tiles: Mapping[tuple[str, int], int]
) -> dict[tuple[str, int], NDArray[np.uint64]]:
    """Returns the digests of every shard that has one of the wanted digests."""
    starts: dict[str, int] = collections.defaultdict(int)
    found = {}
    for (split, index), count in num_tiles.items():
        values = digests.of_split(split)[starts[split] : starts[split] + count]
        starts[split] += count
        if is_in(values, wanted).any():
            found[split, index] = values
    return found


def _good(tile_ids: Sequence[str], planned: PlannedShard, num_good: int, data_root: str) -> Sequence[str]:
    """Returns the names of the tiles that are records of the shard, in the order of the records."""
    if num_good == planned.num_tiles:
        return tile_ids
    rejected = {bad.tile_id for bad in read_shard_receipt(data_root, planned).rejected}
    return [tile_id for tile_id in tile_ids if tile_id not in rejected]


class _Names:
    """The names of repeated pictures: the first name of each in every split, and the first few of the others."""

    def __init__(self) -> None:
        self._first: dict[int, dict[str, str]] = collections.defaultdict(dict)  # by picture, then by split
        # Each name of a picture except the first gets a remark; this holds enough names for all listed remarks.
        self._others: FirstSorted[tuple[str, str, int]] = FirstSorted(2 * MAX_LISTED)

    def add(self, digest: int, tile: NamedTile) -> None:
        """Adds one tile with this picture."""
        first = self._first[digest]
        first[tile.split] = min(tile.tile_id, first.get(tile.split, tile.tile_id))
        self._others.add([(tile.tile_id, tile.split, digest)])

    def groups(self) -> list[Duplicates]:
        """Returns the pictures, sorted by their first name."""
        tiles = {
            digest: {NamedTile(name, split) for split, name in first.items()} for digest, first in self._first.items()
        }
        for tile_id, split, digest in self._others.first():
            tiles[digest].add(NamedTile(tile_id, split))
        return sorted(Duplicates(tuple(sorted(group))) for group in tiles.values() if len(group) > 1)


def judge_repeats(found: RepeatedPictures, inventory: Inventory) -> tuple[list[Note], list[str]]:
    """Returns a remark for each repetition of a picture, and the warnings about the dataset.

    A picture in two splits is a leak and stops the run, because the owner of the source can remove one of the files.
    A release with an official split is the exception: we may not change it, and others compare scores on it. There a
    leak is only a warning, although `agrivision verify --leaks` still refuses the dataset.

    Raises:
      DataError: for a leak; names two of the tiles.
    """
    leaks = [group for group in found.named if len(group.splits) > 1]
    notes = [
        Note(tile.tile_id, f"the same picture as {group.tiles[0].tile_id}")
        for group in found.named
        for tile in group.tiles[1:]
    ]
    if not leaks:
        return notes, []
    one, other = next(pair for pair in itertools.combinations(leaks[0].tiles, 2) if pair[0].split != pair[1].split)
    text = (
        f"{found.num_across:,} pictures are in two splits, e.g. as {one.tile_id} in {one.split} "
        f"and as {other.tile_id} in {other.split}"
    )
    if inventory.layout != CLASS_FOLDERS and inventory.split_origin.startswith("official"):
        return notes, [f"{text}: this inflates scores"]
    raise DataError(f"{text}; this inflates scores, so remove one of the two from the source and run again")
