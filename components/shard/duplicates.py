"""The same picture under two names, told by the bytes of its RGB file."""

import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.agrivision import CLASS_FOLDERS
from components.contracts import Inventory, Note, ShardReceipt
from components.errors import DataError
from components.shard.partition import planned_tiles

DIGEST_BYTES = 8  # two of ten million different pictures are alike in these once in 300,000 datasets


@dataclasses.dataclass(frozen=True, order=True)
class NamedTile:
    """A tile, and the split that it is in."""

    tile_id: str
    split: str


@dataclasses.dataclass(frozen=True, order=True)
class Duplicates:
    """The tiles that are one picture, sorted; two at least."""

    tiles: tuple[NamedTile, ...]

    @property
    def splits(self) -> set[str]:
        return {tile.split for tile in self.tiles}


def picture_digest(rgb: bytes) -> bytes:
    """Returns what equal RGB files have in common: the first bytes of their sha256."""
    return hashlib.sha256(rgb).digest()[:DIGEST_BYTES]


class PictureDigests:
    """The digests of all pictures, by split: eight bytes each, and no Python object per tile."""

    def __init__(self) -> None:
        self._by_split: dict[str, bytearray] = collections.defaultdict(bytearray)

    def add(self, split: str, digests: bytes) -> None:
        """Adds one digest or several, one after the other."""
        self._by_split[split] += digests

    def in_two_splits(self) -> set[bytes]:
        """Returns the digests that more than one split has."""
        return _repeated(np.unique(_numbers(digests)) for digests in self._by_split.values())

    def in_one_split(self) -> set[bytes]:
        """Returns the digests that a split has more than once."""
        return {digest for digests in self._by_split.values() for digest in _repeated([_numbers(digests)])}


def _numbers(digests: bytes | bytearray) -> NDArray[np.uint64]:
    return np.frombuffer(bytes(digests), np.uint64)


def _repeated(groups: Iterable[NDArray[np.uint64]]) -> set[bytes]:
    """Returns what is there more than once, over all groups."""
    arrays = list(groups)
    if not arrays:
        return set()
    values = np.sort(np.concatenate(arrays))
    return {value.tobytes() for value in np.unique(values[1:][values[1:] == values[:-1]])}


class _PlannedTile(msgspec.Struct):
    """What this file needs of a SourceTile, which is decoded faster than all of it."""

    tile_id: str
    split: str
    shard: int


def find_duplicates(inventory: Inventory, receipts: Sequence[ShardReceipt], data_root: str) -> list[Duplicates]:
    """Returns the pictures that are there under two names or more, by the first of their names.

    Args:
      receipts: By split and index; all that the inventory plans.
      data_root: Where the partition files are, for the names.

    Raises:
      DataError: if a receipt and the plan of its shard do not fit together.
    """
    digests = PictureDigests()
    for receipt in receipts:
        if len(receipt.picture_digests) != DIGEST_BYTES * receipt.num_tiles:
            raise DataError(
                f"{receipt.split} shard {receipt.index}: its receipt counts {receipt.num_tiles:,} tiles and has "
                f"{len(receipt.picture_digests) // DIGEST_BYTES:,} digests; run the shard tasks again"
            )
        digests.add(receipt.split, receipt.picture_digests)
    wanted = digests.in_two_splits() | digests.in_one_split()
    if not wanted:
        return []
    found: dict[bytes, list[NamedTile]] = collections.defaultdict(list)
    by_shard = {(receipt.split, receipt.index): receipt for receipt in receipts}
    for partition in inventory.partitions:
        tiles = planned_tiles(data_root, partition, _PlannedTile)
        for key, group in itertools.groupby(tiles, key=lambda tile: (tile.split, tile.shard)):
            rejected = {bad.tile_id for bad in by_shard[key].rejected}
            good = (tile for tile in group if tile.tile_id not in rejected)  # in the order of the records
            for tile, digest in zip(good, _each(by_shard[key].picture_digests), strict=True):
                if digest in wanted:
                    found[digest].append(NamedTile(tile.tile_id, tile.split))
    return sorted(Duplicates(tuple(sorted(tiles))) for tiles in found.values())


def judge_duplicates(found: Sequence[Duplicates], inventory: Inventory) -> tuple[list[Note], list[str]]:
    """Returns the remarks on each second tile of a picture, and the warnings about the dataset.

    A picture in two splits is a leak, and stops the run: whoever has the source can remove one of the files. A release
    with an official split is the exception, as it is not ours to change, and its scores are compared with others'.
    There it is a warning, and `agrivision verify --leaks` still refuses the dataset.

    Raises:
      DataError: for a leak, naming two of the tiles.
    """
    leaks = [group for group in found if len(group.splits) > 1]
    notes = [
        Note(tile.tile_id, f"the same picture as {group.tiles[0].tile_id}")
        for group in found
        for tile in group.tiles[1:]
    ]
    if not leaks:
        return notes, []
    one, other = next(pair for pair in itertools.combinations(leaks[0].tiles, 2) if pair[0].split != pair[1].split)
    text = (
        f"{len(leaks):,} pictures are in two splits, e.g. as {one.tile_id} in {one.split} "
        f"and as {other.tile_id} in {other.split}"
    )
    if inventory.layout != CLASS_FOLDERS and inventory.split_origin.startswith("official"):
        return notes, [f"{text}: scores flatter"]
    raise DataError(f"{text}; scores on such splits flatter, so remove one of the two from the source and run again")


def _each(digests: bytes) -> Iterator[bytes]:
    return (digests[start : start + DIGEST_BYTES] for start in range(0, len(digests), DIGEST_BYTES))
