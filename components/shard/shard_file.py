"""One shard: checked tiles in, a TFRecord file under its content's name and a receipt out."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from components import storage
from components.contracts import Inventory, Note, PlannedShard, Rejection, ShardReceipt
from components.errors import DataError
from components.progress import Progress
from components.record_file import RecordWriter
from components.shard.statistics import ShardStatistics
from components.shard.tile_check import CheckedTile
from components.tfrecords import serialize

FOLDER = "shards"
_TEMPORARY_PREFIX, _TEMPORARY_SUFFIX = ".shard-", ".tmp"
_DEAD_AFTER_SECONDS = 24 * 3600  # a shard takes minutes, so a file untouched for a day has no writer left


def write_shard(
    planned: PlannedShard,
    tiles: Iterable[CheckedTile | Rejection],
    inventory: Inventory,
    data_root: str,
    progress: Progress,
) -> ShardReceipt:
    """Writes one shard, visible whole or not at all; without a good tile, no file is written.

    Raises:
      DataError: if there are not as many tiles as planned.
    """
    statistics = ShardStatistics(inventory)
    rejected: list[Rejection] = []
    notes: list[Note] = []
    picture_digests = bytearray()
    with _local_file(data_root) as local:
        with RecordWriter(local) as records:
            for tile in tiles:
                if isinstance(tile, Rejection):
                    rejected.append(tile)
                else:
                    records.write(serialize(tile.record))
                    statistics.add(tile)
                    picture_digests += tile.picture_digest
                    if tile.remark:
                        notes.append(Note(tile.record.tile_id, tile.remark))
                progress.advance()
        if (num_tiles := statistics.num_tiles + len(rejected)) != planned.num_tiles:
            raise DataError(
                f"{planned.split} shard {planned.index}: the inventory plans {planned.num_tiles} tiles, "
                f"its partition file has {num_tiles}; run ingest again"
            )
        path, sha256, num_bytes = "", "", 0
        if statistics.num_tiles:
            sha256, num_bytes = records.sha256(), records.num_bytes
            path = f"{FOLDER}/{sha256}.tfrecord"
            _publish(local, storage.join(data_root, path), num_bytes)
    return ShardReceipt(
        source_digest=planned.source_digest,
        split=planned.split,
        index=planned.index,
        path=path,
        sha256=sha256,
        num_bytes=num_bytes,
        picture_digests=bytes(picture_digests),
        rejected=tuple(sorted(rejected)),
        notes=tuple(sorted(notes)),
        **statistics.receipt_fields(),
    )


def _publish(local: Path, uri: str, num_bytes: int) -> None:
    there = storage.size(uri)
    if there is None:
        storage.upload_once(local, uri)
    elif there != num_bytes:
        # Only a damaged file has this name and another size; a reader of it has failed already.
        storage.write_bytes(uri, local.read_bytes())


@contextlib.contextmanager
def _local_file(data_root: str) -> Iterator[Path]:
    """Yields a hidden local path: beside the finished shards where these are local, so that moving it is a rename."""
    folder = None
    if not storage.is_remote(data_root):
        folder = Path(storage.join(data_root, FOLDER))
        folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, suffix=_TEMPORARY_SUFFIX, dir=folder)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def remove_dead_files(data_root: str) -> None:
    """Removes what killed writers left behind under a local data_root."""
    if storage.is_remote(data_root):
        return
    for pattern in (f"{_TEMPORARY_PREFIX}*{_TEMPORARY_SUFFIX}", ".*.tfrecord.*.tmp"):  # ours, and storage's
        for path in Path(storage.join(data_root, FOLDER)).glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _DEAD_AFTER_SECONDS:
                    path.unlink()
