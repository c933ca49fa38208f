"""Reading what ingest planned: the tiles of a partition, one JSON line each."""

import io
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from components import storage
from components.contracts import Partition
from components.errors import DataError

Tile = TypeVar("Tile", bound=msgspec.Struct)


def planned_tiles(data_root: str, partition: Partition, form: type[Tile]) -> Iterator[Tile]:
    """Yields a partition's tiles by (split, shard); the lines are held as text and decoded one at a time.

    Args:
      form: SourceTile, or a struct with fewer of its fields, which is decoded faster.

    Raises:
      DataError: if there is no such file, or a line is not a tile.
    """
    try:
        lines = io.BytesIO(storage.read_bytes(storage.join(data_root, partition.path)))
    except FileNotFoundError as error:
        raise DataError(
            f"no {partition.path!r} under {data_root!r}; is data_root the one that ingest wrote to?"
        ) from error
    decoder = msgspec.json.Decoder(form)
    for number, line in enumerate(lines, start=1):
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise DataError(f"line {number} of {partition.path!r} is not a tile: {error}") from error
