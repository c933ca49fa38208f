"""Writes what the shard tasks read: one file per partition, with one line per tile."""

import hashlib
import itertools
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from components import storage
from components.contracts import Partition, PlannedShard
from components.errors import NO_ROOM, SettingsError
from components.ingest.planner import Deal, ShardPlace
from components.ingest.tile_table import TileTable
from components.progress import Progress
from components.source_digest import SourceDigest
from components.storage.scratch import scratch_folder

INVENTORIES_FOLDER = "inventories"

_Row: TypeAlias = tuple[int, int, bytes]  # position of the shard, stored bytes, packed line

# Part of every tile's line; quotes inside JSON text are escaped, so no name can look like it.
_NO_PLACE = b'"shard":0,"split":"",'


def write_partitions(
    table: TileTable,
    deal: Deal,
    new_digest: Callable[[], SourceDigest],
    data_root: str,
    progress: Progress,
) -> tuple[Partition, ...]:
    """Writes the partition files that do not exist yet, and returns the partitions.

    The lines go to the local disk first, because a file's name depends on all of the lines: on the source, and on the
    plan, which has the digest of each shard's tiles. Settings count by what they change in the plan.

    Args:
      new_digest: Returns a new digest for a shard, without any tile.

    Raises:
      SettingsError: if nothing can be written to `data_root`, or to the temporary disk.
    """
    with scratch_folder("ingest") as folder:
        try:
            files = list(_local_files(table, deal, new_digest, folder, progress))
        except OSError as error:
            raise SettingsError(
                f"cannot write {str(folder)!r}: {error.strerror}; set TMPDIR to a folder with about 1.5 kB of space "
                "per tile"
            ) from error
        plan = msgspec.json.encode([shards for _, shards in files], order="sorted")
        digest = hashlib.sha256(plan).hexdigest()
        place = f"{INVENTORIES_FOLDER}/{table.fingerprint[:16]}-{digest[:8]}"
        partitions = []
        for index, (local, shards) in enumerate(files):
            path = f"{place}/partition-{index:05d}.jsonl"
            with local.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            _publish(local, storage.join(data_root, path))
            num_tiles = sum(shard.num_tiles for shard in shards)
            partitions.append(
                Partition(index=index, path=path, sha256=sha256, num_tiles=num_tiles, shards=tuple(shards))
            )
    return tuple(partitions)


def _local_files(
    table: TileTable, deal: Deal, new_digest: Callable[[], SourceDigest], folder: Path, progress: Progress
) -> Iterator[tuple[Path, list[PlannedShard]]]:
    """Yields each partition's file and shards, in order."""
    table.database.create_function("position", 3, deal.position, deterministic=True)
    rows: Iterator[_Row] = table.database.execute(
        "SELECT position(number, field, shard_hash) AS shard, num_bytes, line "
        "FROM tiles CROSS JOIN lines USING (number) ORDER BY shard, order_hash, number"
    )
    shards = itertools.groupby(rows, key=operator.itemgetter(0))
    for partition, members in itertools.groupby(shards, key=lambda shard: deal.places[shard[0]].partition):
        local = folder / f"{partition}.jsonl"
        with local.open("wb") as file:
            planned = [
                _write_shard(file, deal.places[position], tiles, table, new_digest(), progress)
                for position, tiles in members
            ]
        yield local, planned


def _write_shard(
    file: BinaryIO,
    place: ShardPlace,
    tiles: Iterator[_Row],
    table: TileTable,
    digest: SourceDigest,
    progress: Progress,
) -> PlannedShard:
    num_tiles = total = 0
    there = b'"shard":%d,"split":"%s",' % (place.index, place.split.encode())
    for _, num_bytes, packed in tiles:
        line = table.unpacked(packed)
        digest.add_line(line)
        file.write(line.replace(_NO_PLACE, there, 1) + b"\n")
        num_tiles += 1
        total += num_bytes
        progress.advance()
    return PlannedShard(
        split=place.split, index=place.index, num_tiles=num_tiles, num_bytes=total, source_digest=digest.hexdigest()
    )


def _publish(local: Path, uri: str) -> None:
    try:
        # The name depends on the content, so comparing sizes is enough.
        if storage.size(uri) != local.stat().st_size:
            storage.replace_file(local, uri)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise SettingsError(f"cannot write {uri!r}: {error.strerror}; data_root must be writable") from error
