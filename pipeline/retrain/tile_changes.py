"""Compares the tiles of a source with those of an earlier one: by name, by their files, and by their classes' names.

Tiles are never all in memory: their names and a short hash go to a temporary database, which sorts them on disk.
"""

import collections
import dataclasses
import hashlib
import itertools
import operator
from collections.abc import Iterable, Iterator

import msgspec

from components.contracts import SourceTile
from components.dataset.temporary_database import CACHE_KB, temporary_database
from components.errors import DataError
from components.ingest.tile_table import TileTable
from pipeline.retrain.inventories import without_place

NUM_EXAMPLES = 3
_OLD, _NEW = 0, 1
_HASH_BYTES = 16
_Row = tuple[str, int, bytes]


@dataclasses.dataclass(frozen=True)
class TileCount:
    """How many tiles there are of a kind, and the first few of their names."""

    num_tiles: int = 0
    examples: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ClassShare:
    """The share of tiles that have a class, 0 to 1, before and now, as far as names tell."""

    name: str
    before: float
    now: float

    @property
    def shift(self) -> float:
        """How far the share has moved, 0 to 1."""
        return abs(self.now - self.before)


@dataclasses.dataclass(frozen=True)
class TileChanges:
    """What differs between the tiles of two listings.

    Attributes:
      new, changed, gone: A changed tile has the same name, and files of another path, size or version.
      num_same: Tiles that are as they were.
      classes: Sorted by how far they moved, the furthest first; empty where names tell nothing of classes.
    """

    new: TileCount
    changed: TileCount
    gone: TileCount
    num_same: int
    classes: tuple[ClassShare, ...]


def compare_tiles(old_lines: Iterable[bytes], table: TileTable, origin: str, cache_kb: int = CACHE_KB) -> TileChanges:
    """Returns what differs.

    Args:
      old_lines: The earlier tiles, as ingest writes them.
      table: The tiles of the source.
      origin: Where the lines come from, for messages.

    Raises:
      DataError: if a line is no tile.
    """
    old_classes, new_classes = _ClassTally(), _ClassTally()
    with temporary_database(cache_kb) as database:
        database.execute("CREATE TABLE tiles (tile_id TEXT, side INTEGER, hash BLOB)")
        for rows in (
            _rows(map(without_place, old_lines), _OLD, old_classes, origin),
            _rows(_lines_of(table), _NEW, new_classes, "the listing"),
        ):
            database.executemany("INSERT INTO tiles VALUES (?, ?, ?)", rows)
        ordered: Iterator[_Row] = database.execute("SELECT tile_id, side, hash FROM tiles ORDER BY tile_id, side")
        counts: collections.Counter[str] = collections.Counter()
        examples: dict[str, list[str]] = collections.defaultdict(list)
        for tile_id, members in itertools.groupby(ordered, key=operator.itemgetter(0)):
            kind = _kind([(side, hash_) for _, side, hash_ in members])
            counts[kind] += 1
            if len(examples[kind]) < NUM_EXAMPLES:
                examples[kind].append(tile_id)
    new, changed, gone = (TileCount(counts[kind], tuple(examples[kind])) for kind in ("new", "changed", "gone"))
    return TileChanges(new, changed, gone, counts["same"], _shares(old_classes, new_classes))


def _lines_of(table: TileTable) -> Iterator[bytes]:
    return (table.unpacked(packed) for (packed,) in table.database.execute("SELECT line FROM lines"))


def _rows(lines: Iterable[bytes], side: int, classes: "_ClassTally", origin: str) -> Iterator[_Row]:
    decoder = msgspec.json.Decoder(SourceTile)
    for line in lines:
        try:
            tile = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(f"a line of {origin} is no tile: {error}; remove it and run ingest again") from error
        classes.add(tile)
        yield tile.tile_id, side, hashlib.blake2b(line, digest_size=_HASH_BYTES).digest()


def _kind(sides: list[tuple[int, bytes]]) -> str:
    if len(sides) == 1:
        return "gone" if sides[0][0] == _OLD else "new"
    return "same" if sides[0][1] == sides[-1][1] else "changed"


class _ClassTally:
    """Tiles by class, as names tell: of the folder of the picture or of the mask, or in the source's statistics."""

    def __init__(self) -> None:
        self.num_tiles = 0
        self.by_class: collections.Counter[str] = collections.Counter()

    def add(self, tile: SourceTile) -> None:
        self.num_tiles += 1
        # Names alone: to a counter, a mapping would be counts.
        self.by_class.update([*(tile.classes or (tile.labels if tile.annotated is None else tile.annotated))])

    def share(self, name: str) -> float:
        return self.by_class[name] / self.num_tiles if self.num_tiles else 0.0


def _shares(old: _ClassTally, new: _ClassTally) -> tuple[ClassShare, ...]:
    names = sorted(old.by_class.keys() | new.by_class.keys())
    shares = [ClassShare(name, old.share(name), new.share(name)) for name in names]
    if all(share.before in (0.0, 1.0) and share.now in (0.0, 1.0) for share in shares):
        return ()  # every tile has a file of every class: only their pixels tell
    return tuple(sorted(shares, key=lambda share: (-share.shift, share.name)))
