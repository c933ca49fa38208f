"""Finds the same picture under two names, by the bytes of its RGB file, and says what is wrong with that."""

import collections
import dataclasses
import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.agrivision import CLASS_FOLDERS
from components.contracts import Inventory, Note, PlannedShard
from components.dataset.dataset_sums import DatasetSums
from components.dataset.first_sorted import MAX_LISTED
from components.dataset.list_file import where_all_are
from components.dataset.picture_digests import PictureDigests, is_in
from components.dataset.plan_check import planned_names
from components.dataset.receipts import read_shard_receipt
from components.errors import DataError
from components.records.record_table import label_bits, label_names
from components.words import number_of

LIST_NAME = "duplicates.tsv"  # beside the manifest
HEADER = ("picture", "tile", "split", "classes", "file")
_CREATE = "CREATE TABLE repeats (digest INTEGER, tile_id TEXT, split TEXT, classes TEXT, path TEXT)"


@dataclasses.dataclass(frozen=True, order=True)
class NamedTile:
    """A tile, its split, and its classes, comma-separated."""

    tile_id: str
    split: str
    classes: str = ""


@dataclasses.dataclass(frozen=True, order=True)
class Duplicates:
    """At least two tiles with the same picture, sorted; if there are thousands, not all of them."""

    tiles: tuple[NamedTile, ...]

    @property
    def splits(self) -> set[str]:
        """The splits that have the picture."""
        return {tile.split for tile in self.tiles}

    @property
    def is_contradicting(self) -> bool:
        """Whether the picture has different classes under its names."""
        return len({tile.classes for tile in self.tiles}) > 1


@dataclasses.dataclass(frozen=True)
class RepeatedPictures:
    """The pictures that occur under two or more names.

    Attributes:
      num_tiles: Tiles that repeat a picture, not counting the first of each picture.
      num_across: Pictures in two splits.
      named: The pictures, sorted by their first name; if there are thousands, not all, but those in two splits first,
        then those with contradicting classes.
      num_contradicting, num_contradicting_tiles: Pictures that have different classes under their names, and the tiles
        that show them.
      database: Has all tiles with such pictures; None if there are none.
    """

    num_tiles: int
    num_across: int
    named: Sequence[Duplicates]
    num_contradicting: int = 0
    num_contradicting_tiles: int = 0
    database: sqlite3.Connection | None = None

    def rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yields all tiles whose picture occurs twice, those of a picture together; see HEADER."""
        if self.database is None:
            return
        rows = self.database.execute(
            "SELECT digest, tile_id, split, classes, path FROM repeats ORDER BY digest, tile_id"
        )
        for digest, *rest in rows:
            yield (f"{digest & 2**64 - 1:016x}", *rest)


def find_repeats(
    sums: DatasetSums, inventory: Inventory, data_root: str, database: sqlite3.Connection
) -> RepeatedPictures:
    """Finds the pictures that occur under two or more names, and their names.

    Args:
      sums: Of all planned shards.
      data_root: Where the partition files with the names are.
      database: Temporary and empty; takes a row for each tile with such a picture.
    """
    across, within, num_repeated = sums.digests.repeats()
    wanted = np.unique(np.concatenate([across, within]))
    if not len(wanted):
        return RepeatedPictures(0, 0, ())
    database.execute(_CREATE)
    hits = _shards_with(wanted, sums.digests, sums.num_tiles)
    for partition in inventory.partitions:
        planned = {key: shard for shard in partition.shards if (key := (shard.split, shard.index)) in hits}
        for key, tiles in planned_names(planned, partition, inventory, data_root):
            start, digests = hits[key]
            good = _good(tiles, planned[key], sums.num_tiles[key], data_root)
            if len(good) != len(digests):
                raise DataError(f"{key[0]} shard {key[1]}: {len(good):,} tiles, expected {len(digests):,}")
            rows = (
                (
                    _signed(int(digests[index])),
                    good[index][0],
                    key[0],
                    label_names(label_bits(sums.records[key[0]], start + index, inventory.classes), inventory.classes),
                    good[index][1],
                )
                for index in np.flatnonzero(is_in(digests, wanted)).tolist()
            )
            database.executemany("INSERT INTO repeats VALUES (?, ?, ?, ?, ?)", rows)
    database.execute("CREATE INDEX repeats_by_digest ON repeats (digest)")
    several = "SELECT digest, COUNT(*) AS count FROM repeats GROUP BY digest HAVING COUNT(DISTINCT classes) > 1"
    num_contradicting, num_tiles = database.execute(f"SELECT COUNT(*), TOTAL(count) FROM ({several})").fetchone()
    contradicting = [row[0] for row in database.execute(f"{several} ORDER BY digest LIMIT {MAX_LISTED}")]
    chosen = dict.fromkeys([_signed(digest) for digest in across[:MAX_LISTED].tolist()])
    chosen |= dict.fromkeys(contradicting) | dict.fromkeys(_signed(digest) for digest in within[:MAX_LISTED].tolist())
    named = _named(database, list(chosen)[:MAX_LISTED])
    return RepeatedPictures(num_repeated, len(across), named, num_contradicting, int(num_tiles), database)


def _signed(digest: int) -> int:
    return digest - 2**64 if digest >> 63 else digest  # SQLite's integers are signed


def _shards_with(
    wanted: NDArray[np.uint64], digests: PictureDigests, num_tiles: Mapping[tuple[str, int], int]
) -> dict[tuple[str, int], tuple[int, NDArray[np.uint64]]]:
    """Returns, of each shard that has a wanted digest, the place of its first record in the split and all digests."""
    starts: dict[str, int] = collections.defaultdict(int)
    found = {}
    for (split, index), count in num_tiles.items():
        start = starts[split]
        values = digests.of_split(split)[start : start + count]
        starts[split] += count
        if is_in(values, wanted).any():
            found[split, index] = (start, values)
    return found


def _good(
    tiles: Sequence[tuple[str, str]], planned: PlannedShard, num_good: int, data_root: str
) -> Sequence[tuple[str, str]]:
    """Returns name and file of the tiles that are records of the shard, in the order of the records."""
    if num_good == planned.num_tiles:
        return tiles
    rejected = {bad.tile_id for bad in read_shard_receipt(data_root, planned).rejected}
    return [tile for tile in tiles if tile[0] not in rejected]


def _named(database: sqlite3.Connection, chosen: Sequence[int]) -> list[Duplicates]:
    """Returns pictures with the first name of each in every split, and the first few of the others."""
    tiles: dict[int, set[NamedTile]] = {}
    for digest in chosen:
        query = "SELECT MIN(tile_id), split, classes FROM repeats WHERE digest = ? GROUP BY split, classes"
        tiles[digest] = {NamedTile(*row) for row in database.execute(query, (digest,))}
    database.execute("CREATE TEMP TABLE chosen (digest INTEGER PRIMARY KEY)")
    database.executemany("INSERT INTO chosen VALUES (?)", ((digest,) for digest in chosen))
    # Each name of a picture except the first gets a remark; this is enough for all listed remarks.
    query = (
        "SELECT digest, tile_id, split, classes FROM repeats WHERE digest IN chosen "
        f"ORDER BY tile_id, split LIMIT {2 * MAX_LISTED}"
    )
    for digest, *tile in database.execute(query):
        tiles[digest].add(NamedTile(*tile))
    return sorted(Duplicates(tuple(sorted(group))) for group in tiles.values() if len(group) > 1)


def judge_repeats(
    found: RepeatedPictures, inventory: Inventory, data_root: str = "", num_rejected: int = 0, num_tiles: int = 0
) -> tuple[list[Note], list[str]]:
    """Returns a remark for each repetition of a picture, and the warnings about the dataset.

    A picture in two splits is a leak and stops the run, because the owner of the source can remove one of the files.
    A release with an official split is the exception: we may not change it, and others compare scores on it. There a
    leak is only a warning, although `agrivision verify --leaks` still refuses the dataset.

    A picture with contradicting classes is a warning; in class folders, where a tile has one class, its tiles are bad.

    Args:
      data_root: Where a refusal lists all of the tiles; empty for nowhere.
      num_rejected, num_tiles: Tiles rejected so far, and all tiles with those.

    Raises:
      DataError: for a leak, or for too many bad tiles; names two of the tiles, and says where all are.
    """
    notes: list[Note] = []
    warnings: list[str] = []
    for group in found.named:
        first = group.tiles[0]
        for tile in group.tiles[1:]:
            clash = "" if tile.classes == first.classes else f", which has {_classes(first)}, not {_classes(tile)}"
            notes.append(Note(tile.tile_id, f"the same picture as {first.tile_id}{clash}"))
    is_release = inventory.layout != CLASS_FOLDERS and inventory.split_origin.startswith("official")
    if leak := next((group for group in found.named if len(group.splits) > 1), None):
        one, other = next(pair for pair in itertools.combinations(leak.tiles, 2) if pair[0].split != pair[1].split)
        text = (
            f"{number_of(found.num_across, 'picture is', 'pictures are')} in two splits, e.g. as {one.tile_id} "
            f"in {one.split} and as {other.tile_id} in {other.split}"
        )
        if not is_release:
            way_out = "remove one of each two from the source"
            if not inventory.split_origin.startswith("official"):
                way_out += ", or set ingest_duplicates=equal, which keeps them in one split,"
            raise DataError(f"{text}; this inflates scores, so {way_out} and run again{_where(found, data_root)}")
        warnings.append(f"{text}: this inflates scores; {LIST_NAME} beside the manifest lists all")
    if two_labels := next((group for group in found.named if group.is_contradicting), None):
        pairs = itertools.combinations(two_labels.tiles, 2)
        one, other = next(pair for pair in pairs if pair[0].classes != pair[1].classes)
        text = (
            f"{number_of(found.num_contradicting, 'picture has', 'pictures have')} contradicting classes, e.g. "
            f"{one.tile_id} has {_classes(one)} and {other.tile_id} has {_classes(other)}"
        )
        num_bad = num_rejected + found.num_contradicting_tiles
        if inventory.layout == CLASS_FOLDERS and num_bad > inventory.max_bad_fraction * num_tiles:
            raise DataError(
                f"{text}; with them {num_bad:,} of {num_tiles:,} tiles are bad, more than "
                f"ingest_max_bad_fraction={inventory.max_bad_fraction:g} allows; remove the wrong ones from the source "
                f"and run again{_where(found, data_root)}"
            )
        warnings.append(f"{text}: no model can learn both; {LIST_NAME} beside the manifest lists all")
    return notes, warnings


def _where(found: RepeatedPictures, data_root: str) -> str:
    return where_all_are(data_root, "duplicates", HEADER, found.rows())


def _classes(tile: NamedTile) -> str:
    return tile.classes or "no class"
