"""The tiles that ingest found, and their sums by field, in a temporary database on disk."""

import collections
import dataclasses
import hashlib
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Iterator

import msgspec

from components.agrivision import SPLITS
from components.contracts import Rejection, SourceFile, SourceTile
from components.ingest.pairing import UNDECIDED, Paired
from components.ingest.stored_bytes import stored_bytes
from components.source_digest import placeless_line

MIXED = -2  # as a field's split: its tiles have more than one
_UNKNOWN = -1

_TABLES = """
CREATE TABLE tiles (number INTEGER PRIMARY KEY, field INTEGER, num_bytes INTEGER, shard_hash INTEGER,
  order_hash INTEGER);
CREATE TABLE lines (number INTEGER PRIMARY KEY, line BLOB);
CREATE TABLE fields (number INTEGER PRIMARY KEY, split INTEGER, hash INTEGER, num_tiles INTEGER, num_bytes INTEGER,
  single_class INTEGER, classes BLOB);
CREATE TABLE rejected (tile_id TEXT, reason TEXT);
"""
_ROWS_AT_ONCE = 2_000
_MOST_DICTIONARY_BYTES = 2_000


@dataclasses.dataclass
class _Field:
    """A field whose tiles are still being added."""

    number: int
    field_id: str
    splits: set[str] = dataclasses.field(default_factory=set)
    num_tiles: int = 0
    num_bytes: int = 0
    by_class: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)


class TileTable:
    """Tiles, numbered in the order they were added, and their fields, numbered too.

    Attributes:
      num_tiles, num_fields, num_rejected: How many were added.
      splits: The official splits of the tiles; UNDECIDED is one.
      has_classes: Whether the source gives the classes of any tile before its masks are read.
      class_names: By the class's number in the table.
      num_mixed: Fields with tiles in two official splits; `mixed` is the first of them by name, with its splits.
    """

    def __init__(self, database: sqlite3.Connection, seed: int, tile_size_px: int = 0) -> None:
        self.database = database
        self.num_tiles = self.num_fields = self.num_rejected = self.num_mixed = 0
        self.splits: set[str] = set()
        self.has_classes = False
        self.class_names: list[str] = []
        self.mixed: tuple[str, list[str]] = ("", [])
        self._seed, self._tile_size_px = seed, tile_size_px
        self._class_numbers: dict[str, int] = {}
        self._sum = 0
        self._dictionary = b""
        self._open: _Field | None = None  # the last Agriculture-Vision field; more of its tiles may follow
        self._tile_rows: list[tuple[int, int, int, int]] = []
        self._line_rows: list[tuple[bytes]] = []
        self._field_rows: list[tuple[object, ...]] = []
        for statement in _TABLES.split(";"):  # not executescript, which would commit
            database.execute(statement)

    def add(self, paired: Iterable[Paired]) -> None:
        """Adds the tiles and rejections of one group. The tiles of an Agriculture-Vision field must be consecutive."""
        local: dict[str, _Field] = {}
        for each in paired:
            if isinstance(each, Rejection):
                self.num_rejected += 1
                self.database.execute("INSERT INTO rejected VALUES (?, ?)", (each.tile_id, each.reason))
                continue
            if self._open is not None and each.field_id == self._open.field_id:
                self._add_tile(each, self._open)
                continue
            field = local.get(each.field_id)
            if field is None:
                field = local[each.field_id] = _Field(self.num_fields, each.field_id)
                self.num_fields += 1
            self._add_tile(each, field)
        for field in local.values():
            if "/" in field.field_id:  # an image that is its own field; no other group has a part of it
                self._close(field)
            else:
                self._close(self._open)
                self._open = field
        if len(self._tile_rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _add_tile(self, tile: SourceTile, field: _Field) -> None:
        self.num_tiles += 1
        num_bytes = stored_bytes(tile, self._tile_size_px)
        field.splits.add(tile.split)
        field.num_tiles += 1
        field.num_bytes += num_bytes
        for name in tile.classes or tile.annotated or ():
            number = self._class_numbers.get(name)
            if number is None:
                number = self._class_numbers[name] = len(self.class_names)
                self.class_names.append(name)
            field.by_class[number] += 1
        line = placeless_line(tile)
        self._note(line)
        chance = keyed_hash("shard", self._seed, tile.tile_id)
        hashes = (int.from_bytes(chance[:8]) >> 1, int.from_bytes(chance[8:]) >> 1)  # SQLite's integers are signed
        self._tile_rows.append((field.number, num_bytes, *hashes))
        self._line_rows.append((self._packed(line),))

    def add_to_fingerprint(self, file: SourceFile) -> None:
        """Makes the fingerprint depend on a file that belongs to no tile."""
        self._note(msgspec.json.encode(file))

    def _note(self, text: bytes) -> None:
        self._sum += int.from_bytes(hashlib.sha256(text).digest())

    @property
    def fingerprint(self) -> str:
        """sha256 over all tiles with the path, size and version of their files.

        A sum of hashes does not depend on their order, so they need no sorting; and unlike in an exclusive or, equal
        parts do not cancel out. It tells sources apart; it is no defence against somebody who builds one to look like
        another.
        """
        return hashlib.sha256(self._sum.to_bytes(48)).hexdigest()

    def _packed(self, line: bytes) -> bytes:
        """Returns the line compressed to a third: lines are alike, so the first serves as a dictionary for all."""
        self._dictionary = self._dictionary or line[:_MOST_DICTIONARY_BYTES]
        packer = zlib.compressobj(1, zlib.DEFLATED, -12, 5, zlib.Z_DEFAULT_STRATEGY, self._dictionary)
        return packer.compress(line) + packer.flush()

    def unpacked(self, packed: bytes) -> bytes:
        """Returns a tile's line: JSON without its split and shard."""
        return zlib.decompressobj(-12, self._dictionary).decompress(packed)

    def _close(self, field: _Field | None) -> None:
        if field is None:
            return
        self.splits |= field.splits
        if len(field.splits) > 1:
            self.num_mixed += 1
            if self.num_mixed == 1 or field.field_id < self.mixed[0]:
                self.mixed = (field.field_id, sorted(field.splits, key=SPLITS.index))
            split = MIXED
        else:
            name = next(iter(field.splits))
            split = _UNKNOWN if name == UNDECIDED else SPLITS.index(name)
        self.has_classes = self.has_classes or bool(field.by_class)
        single = next(iter(field.by_class)) if field.num_tiles == len(field.by_class) == 1 else None
        classes = array("Q", [part for item in field.by_class.items() for part in item]).tobytes()
        fate = int.from_bytes(keyed_hash("split", self._seed, field.field_id)[:8]) >> 1
        row = (
            field.number,
            split,
            fate,
            field.num_tiles,
            field.num_bytes,
            single,
            None if single is not None else classes,
        )
        self._field_rows.append(row)

    def _flush(self) -> None:
        execute = self.database.executemany
        execute("INSERT INTO tiles (field, num_bytes, shard_hash, order_hash) VALUES (?, ?, ?, ?)", self._tile_rows)
        execute("INSERT INTO lines (line) VALUES (?)", self._line_rows)
        execute("INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?, ?)", self._field_rows)
        self._tile_rows, self._line_rows, self._field_rows = [], [], []

    def finish(self) -> None:
        """Writes what is still buffered; called once, after the last group."""
        self._close(self._open)
        self._open = None
        self._flush()

    def rejected(self, limit: int = -1) -> Iterator[Rejection]:
        """Yields the rejections, sorted; at most `limit`, unless it is negative."""
        rows = self.database.execute("SELECT tile_id, reason FROM rejected ORDER BY tile_id, reason LIMIT ?", (limit,))
        return (Rejection(*row) for row in rows)


def keyed_hash(purpose: str, seed: int, name: str) -> bytes:
    """Returns a 16-byte hash of the name that depends on the seed and the purpose (at most 16 characters)."""
    return hashlib.blake2b(name.encode(), digest_size=16, key=str(seed).encode(), person=purpose.encode()).digest()
