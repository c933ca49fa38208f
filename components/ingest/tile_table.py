"""The tiles that ingest found, and their sums by field, in a temporary database on disk."""

import collections
import dataclasses
import hashlib
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from components.agrivision import SPLITS
from components.contracts import Rejection, SourceFile, SourceTile
from components.ingest.pairing import UNDECIDED, Paired
from components.ingest.stored_bytes import stored_bytes
from components.source_digest import placeless_line

MIXED = -2  # as a field's split: its tiles have more than one
JOINED = 100  # as a field's split: it goes where another field goes, or has no tile left
_UNKNOWN = -1

_TABLES = """
CREATE TABLE tiles (number INTEGER PRIMARY KEY, field INTEGER, num_bytes INTEGER, shard_hash INTEGER,
  order_hash INTEGER, rgb_bytes INTEGER);
CREATE TABLE lines (number INTEGER PRIMARY KEY, line BLOB);
CREATE TABLE fields (number INTEGER PRIMARY KEY, split INTEGER, hash INTEGER, num_tiles INTEGER, num_bytes INTEGER,
  single_class INTEGER, classes BLOB);
CREATE TABLE rejected (tile_id TEXT, reason TEXT);
CREATE TABLE joined (number INTEGER PRIMARY KEY, root INTEGER);
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
      num_tiles, num_fields, num_rejected: How many were added, without the tiles rejected since.
      num_joined: Fields that were joined to another, so that both go to one split.
      num_emptied: Fields that have no tile left, because their tiles were rejected since.
      splits: The official splits of the tiles; UNDECIDED is one.
      has_classes: Whether the source gives the classes of any tile before its masks are read.
      class_names: By the class's number in the table.
      num_mixed: Fields with tiles in two official splits; `mixed` is the first of them by name, with its splits.
    """

    def __init__(self, database: sqlite3.Connection, seed: int, tile_size_px: int = 0) -> None:
        self.database = database
        self.num_tiles = self.num_fields = self.num_rejected = self.num_mixed = 0
        self.num_joined = self.num_emptied = 0
        self.splits: set[str] = set()
        self.has_classes = False
        self.class_names: list[str] = []
        self.mixed: tuple[str, list[str]] = ("", [])
        self._seed, self._tile_size_px = seed, tile_size_px
        self._class_numbers: dict[str, int] = {}
        self._sum = 0
        self._dictionary = b""
        self._open: _Field | None = None  # the last Agriculture-Vision field; more of its tiles may follow
        self._tile_rows: list[tuple[int, int, int, int, int]] = []
        self._line_rows: list[tuple[bytes]] = []
        self._field_rows: list[tuple[object, ...]] = []
        for statement in _TABLES.split(";"):  # not executescript, which would commit
            database.execute(statement)

    def add(self, paired: Iterable[Paired]) -> None:
        """Adds the tiles and rejections of one group. The tiles of an Agriculture-Vision field must be consecutive."""
        local: dict[str, _Field] = {}
        for each in paired:
            if isinstance(each, Rejection):
                self._reject(each)
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

    def _reject(self, bad: Rejection) -> None:
        self.num_rejected += 1
        self.database.execute("INSERT INTO rejected VALUES (?, ?)", (bad.tile_id, bad.reason))

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
        self._tile_rows.append((field.number, num_bytes, *hashes, tile.rgb.num_bytes))
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

    def tile(self, packed: bytes) -> SourceTile:
        """Returns a tile without its split and shard."""
        return msgspec.json.decode(self.unpacked(packed), type=SourceTile)

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
        fate = int.from_bytes(keyed_hash("split", self._seed, field.field_id)[:8]) >> 1
        row = (
            field.number,
            split,
            fate,
            field.num_tiles,
            field.num_bytes,
            *_packed_classes(field.num_tiles, field.by_class),
        )
        self._field_rows.append(row)

    def _flush(self) -> None:
        execute = self.database.executemany
        columns = "field, num_bytes, shard_hash, order_hash, rgb_bytes"
        execute(f"INSERT INTO tiles ({columns}) VALUES (?, ?, ?, ?, ?)", self._tile_rows)
        execute("INSERT INTO lines (line) VALUES (?)", self._line_rows)
        execute("INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?, ?)", self._field_rows)
        self._tile_rows, self._line_rows, self._field_rows = [], [], []

    def finish(self) -> None:
        """Writes what is still buffered; called once, after the last group."""
        self._close(self._open)
        self._open = None
        self._flush()

    def reject(self, number: int, reason: str) -> None:
        """Takes a tile out again after finish(), for a reason that could not be known before."""
        field, num_bytes, packed = self.database.execute(
            "SELECT field, num_bytes, line FROM tiles JOIN lines USING (number) WHERE number = ?", (number,)
        ).fetchone()
        tile = self.tile(packed)
        self._reject(Rejection(tile.tile_id, reason))
        self.num_tiles -= 1
        for name in ("tiles", "lines"):
            self.database.execute(f"DELETE FROM {name} WHERE number = ?", (number,))
        num_tiles, size, by_class = self._sums_of([field])
        by_class -= collections.Counter(self._class_numbers[name] for name in tile.classes or tile.annotated or ())
        self._set_sums(field, num_tiles - 1, size - num_bytes, by_class)
        if num_tiles == 1:
            self.num_emptied += 1
            self._give_away(field, None)

    def join(self, fields: Sequence[int]) -> None:
        """Makes whole fields go to one split, as if they were one field: that of the lowest hash."""
        hash_of = "SELECT hash FROM fields WHERE number = ?"
        root = min(fields, key=lambda field: (self.database.execute(hash_of, (field,)).fetchone()[0], field))
        sums = self._sums_of(fields)
        for field in fields:
            if field != root:
                self._give_away(field, root)
                self.num_joined += 1
        self._set_sums(root, *sums)

    def _sums_of(self, fields: Iterable[int]) -> tuple[int, int, collections.Counter[int]]:
        """Returns tiles, stored bytes and tiles by class of several fields."""
        num_tiles = num_bytes = 0
        by_class: collections.Counter[int] = collections.Counter()
        for field in fields:
            tiles, size, single, classes = self.database.execute(
                "SELECT num_tiles, num_bytes, single_class, classes FROM fields WHERE number = ?", (field,)
            ).fetchone()
            num_tiles, num_bytes = num_tiles + tiles, num_bytes + size
            numbers = array("Q", classes or b"")
            by_class.update({single: 1} if single is not None else dict(zip(numbers[::2], numbers[1::2], strict=True)))
        return num_tiles, num_bytes, by_class

    def _set_sums(self, field: int, num_tiles: int, num_bytes: int, by_class: collections.Counter[int]) -> None:
        self.database.execute(
            "UPDATE fields SET num_tiles = ?, num_bytes = ?, single_class = ?, classes = ? WHERE number = ?",
            (num_tiles, num_bytes, *_packed_classes(num_tiles, by_class), field),
        )

    def _give_away(self, field: int, root: int | None) -> None:
        """Leaves a field nothing to be divided by; it has tiles still if it goes where `root` goes."""
        self._set_sums(field, 0, 0, collections.Counter())
        self.database.execute("UPDATE fields SET split = ? WHERE number = ?", (JOINED, field))
        self.database.execute("INSERT INTO joined VALUES (?, ?)", (field, root))

    def tiles_of_mixed_fields(self) -> Iterator[SourceTile]:
        """Yields the tiles of the fields that have tiles in two splits, by field."""
        rows = self.database.execute(
            "SELECT line FROM tiles CROSS JOIN lines USING (number) "
            f"WHERE field IN (SELECT number FROM fields WHERE split = {MIXED}) ORDER BY field, number"
        )
        return (self.tile(line) for (line,) in rows)

    def rejected(self, limit: int = -1) -> Iterator[Rejection]:
        """Yields the rejections, sorted; at most `limit`, unless it is negative."""
        rows = self.database.execute("SELECT tile_id, reason FROM rejected ORDER BY tile_id, reason LIMIT ?", (limit,))
        return (Rejection(*row) for row in rows)


def _packed_classes(num_tiles: int, by_class: collections.Counter[int]) -> tuple[int | None, bytes | None]:
    """Returns the columns single_class and classes; one of them is None."""
    if num_tiles == len(by_class) == 1:
        return next(iter(by_class)), None
    return None, array("Q", [part for item in by_class.items() for part in item]).tobytes()


def keyed_hash(purpose: str, seed: int, name: str) -> bytes:
    """Returns a 16-byte hash of the name that depends on the seed and the purpose (at most 16 characters)."""
    return hashlib.blake2b(name.encode(), digest_size=16, key=str(seed).encode(), person=purpose.encode()).digest()
