"""Reads the tiles that ingest planned for a partition, one JSON line each, never the whole file at once."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from components import storage
from components.contracts import Partition, SourceTile
from components.contracts.names import decoding_fault
from components.errors import DataError

_CHUNK_BYTES = 8 * 2**20  # per request to a bucket: large enough for few requests, small enough for memory

Tile = TypeVar("Tile", bound=msgspec.Struct)


class TileName(msgspec.Struct):
    """The part of a SourceTile that most readers need; it decodes three times as fast as the whole."""

    tile_id: str
    field_id: str
    split: str
    shard: int


def planned_tiles(data_root: str, partition: Partition, form: type[Tile]) -> Iterator[Tile]:
    """Yields a partition's tiles by (split, shard), read and decoded one at a time.

    Args:
      form: SourceTile, or a struct with fewer of its fields, which decodes faster.

    Raises:
      DataError: if there is no such file, or a line is not a tile.
    """
    decoder = msgspec.json.Decoder(form)
    for number, line in enumerate(_partition_lines(data_root, partition), start=1):
        yield _decoded(decoder, line, number, partition)


def chosen_tiles(data_root: str, partition: Partition, is_chosen: Callable[[TileName], bool]) -> Iterator[SourceTile]:
    """Yields the tiles of a partition whose names are chosen; only these are decoded whole.

    Raises:
      DataError: as planned_tiles does.
    """
    names, tiles = msgspec.json.Decoder(TileName), msgspec.json.Decoder(SourceTile)
    for number, line in enumerate(_partition_lines(data_root, partition), start=1):
        if is_chosen(_decoded(names, line, number, partition)):
            yield _decoded(tiles, line, number, partition)


def _decoded(decoder: msgspec.json.Decoder[Tile], line: bytes, number: int, partition: Partition) -> Tile:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"line {number} of {partition.path!r} is not a tile: {decoding_fault(error)}") from error


def _partition_lines(data_root: str, partition: Partition) -> Iterator[bytes]:
    try:
        yield from lines(storage.join(data_root, partition.path))
    except FileNotFoundError as error:
        raise DataError(
            f"no {partition.path!r} under {data_root!r}; is data_root the one that ingest wrote to?"
        ) from error


def lines(uri: str) -> Iterator[bytes]:
    """Yields the lines of a local file or an object, with their line ends; an object is read in parts of 8 MB.

    Raises:
      FileNotFoundError: if there is no such file or object.
    """
    if not storage.is_remote(uri):
        with open(uri, "rb") as file:
            yield from file
        return
    rest, offset = b"", 0
    while chunk := storage.read_range(uri, offset, _CHUNK_BYTES):
        offset += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in whole)
        if len(chunk) < _CHUNK_BYTES:
            break
    if rest:
        yield rest
