"""Keeps a few whole fields while the tiles of a split pass by, so that nobody has to read the split again for them.

Which fields depends on their names alone: those with the lowest hashes, as many as there is room for. So it is the same
few whoever reads the tiles in whatever order, and fields that are like any others.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.records.tile_record import Record

MOST_OF_FIELD = 64  # so that one large field does not fill the sample
MOST_BYTES = 128 << 20


@dataclasses.dataclass
class _Field:
    tiles: list[tuple[int, int, Record]] = dataclasses.field(default_factory=list)  # hash and position of each
    num_bytes: int = 0

    def add(self, tile: tuple[int, int, Record]) -> None:
        self.tiles.append(tile)
        self.num_bytes += _size(tile[2])

    def drop_one(self) -> None:
        """Drops the tile with the highest hash."""
        last = max(range(len(self.tiles)), key=lambda place: self.tiles[place][:2])
        self.num_bytes -= _size(self.tiles.pop(last)[2])


class FieldSample:
    """Some tiles of a split; a tile of unknown field is a field of its own.

    Args:
      most_tiles: That are kept.
      most_bytes: Of their images together.
      most_of_field: Tiles that are kept of one field.
    """

    def __init__(self, most_tiles: int, most_bytes: int = MOST_BYTES, most_of_field: int = MOST_OF_FIELD) -> None:
        self._most_tiles, self._most_bytes, self._most_of_field = most_tiles, most_bytes, most_of_field
        self._fields: dict[tuple[int, str], _Field] = {}  # by the hash of its name, and the name
        self._out: tuple[int, str] | None = None  # the lowest that had no room
        self._num_seen = 0

    def see(self, records: Sequence[Record]) -> None:
        """Takes the next tiles of the split, in its order."""
        for record in records:
            name = record.field_id or record.tile_id
            key = _hash(name), name
            if self._out is None or key < self._out:
                field = self._fields.setdefault(key, _Field())
                field.add((_hash(record.tile_id), self._num_seen, record))
                if len(field.tiles) > self._most_of_field:
                    field.drop_one()
                self._make_room()
            self._num_seen += 1

    def _make_room(self) -> None:
        while (
            sum(len(field.tiles) for field in self._fields.values()) > self._most_tiles
            or sum(field.num_bytes for field in self._fields.values()) > self._most_bytes
        ):
            last = max(self._fields)
            if len(self._fields) > 1:
                del self._fields[last]
                self._out = last
            elif len(self._fields[last].tiles) > 1:
                self._fields[last].drop_one()
            else:
                return

    def tiles(self) -> tuple[NDArray[np.int64], list[Record]]:
        """Returns the positions of the tiles in the split, in ascending order, [n], and the tiles."""
        kept = [(position, record) for field in self._fields.values() for _, position, record in field.tiles]
        kept.sort(key=lambda each: each[0])
        return np.array([position for position, _ in kept], np.int64), [record for _, record in kept]


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def _size(record: Record) -> int:
    return len(record.rgb) + len(record.nir) + len(record.valid_mask)
