"""Writes shards: takes checked tiles, and writes TFRecord files named by their content, with receipts."""

import concurrent.futures
import contextlib
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from components import storage
from components.contracts import Inventory, Note, PlannedShard, Rejection, ShardReceipt
from components.dataset.receipts import write_shard_receipt
from components.errors import DataError
from components.progress import Progress
from components.records import record_table
from components.records.record_file import RecordWriter
from components.shard.shard_statistics import ShardStatistics
from components.shard.tile_check import CheckedTile
from components.storage import disk

FOLDER = "shards"
_TEMPORARY_PREFIX, _TEMPORARY_SUFFIX = ".shard-", ".tmp"
_NUM_PUBLISHED_AT_ONCE = 2  # in addition to the one being filled, so at most three local shards exist
_DEAD_AFTER_SECONDS = 24 * 3600  # a shard takes minutes, so a file untouched for a day has no writer left


def write_shards(
    groups: Iterable[tuple[PlannedShard, Iterable[CheckedTile | Rejection]]],
    inventory: Inventory,
    data_root: str,
    progress: Progress,
) -> Iterator[ShardReceipt]:
    """Writes shards one after the other, each followed by its receipt, and yields the receipts.

    A shard becomes visible whole or not at all. While one is synced or uploaded, the next one is filled. Without a
    good tile, only a receipt is written.

    Raises:
      DataError: if the number of tiles of a shard is not the planned one.
    """
    pending: deque[tuple[concurrent.futures.Future[None], ShardReceipt]] = deque()
    with concurrent.futures.ThreadPoolExecutor(_NUM_PUBLISHED_AT_ONCE, "publish") as publisher:
        for planned, tiles in groups:
            local, receipt = _filled(planned, tiles, inventory, data_root, progress)
            pending.append((publisher.submit(_publish, local, data_root, receipt), receipt))
            if len(pending) > _NUM_PUBLISHED_AT_ONCE:
                yield _published(*pending.popleft())
        while pending:
            yield _published(*pending.popleft())


def _published(publishing: concurrent.futures.Future[None], receipt: ShardReceipt) -> ShardReceipt:
    publishing.result()
    return receipt


def _filled(
    planned: PlannedShard,
    tiles: Iterable[CheckedTile | Rejection],
    inventory: Inventory,
    data_root: str,
    progress: Progress,
) -> tuple[Path, ShardReceipt]:
    """Returns a hidden local file with the shard, and the receipt to publish with it."""
    statistics = ShardStatistics(inventory)
    rejected: list[Rejection] = []
    notes: list[Note] = []
    picture_digests, rows = bytearray(), bytearray()
    local = _local_file(data_root)
    try:
        with RecordWriter(local, stays=not storage.is_remote(data_root)) as records:
            for tile in tiles:
                if isinstance(tile, Rejection):
                    rejected.append(tile)
                else:
                    records.write(tile.serialized)
                    rows += record_table.row(len(tile.serialized), tile.record.labels)
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
    except BaseException:
        local.unlink(missing_ok=True)
        raise
    sha256 = records.sha256() if statistics.num_tiles else ""
    return local, ShardReceipt(
        source_digest=planned.source_digest,
        split=planned.split,
        index=planned.index,
        path=f"{FOLDER}/{sha256}.tfrecord" if sha256 else "",
        sha256=sha256,
        num_bytes=records.num_bytes,
        picture_digests=bytes(picture_digests),
        records=bytes(rows),
        rejected=tuple(sorted(rejected)),
        notes=tuple(sorted(notes)),
        **statistics.receipt_fields(),
    )


def _publish(local: Path, data_root: str, receipt: ShardReceipt) -> None:
    try:
        if receipt.path:
            uri = storage.join(data_root, receipt.path)
            there = storage.size(uri)
            if there is None:
                storage.upload_once(local, uri)
            elif there != receipt.num_bytes:
                # Only a damaged file has this name and a different size; its readers have already failed.
                storage.write_bytes(uri, local.read_bytes())
        write_shard_receipt(data_root, receipt)
    finally:
        local.unlink(missing_ok=True)


def _local_file(data_root: str) -> Path:
    """Returns a new hidden file: next to the finished shards if they are local, so that moving it is a rename."""
    folder = None
    if not storage.is_remote(data_root):
        folder = Path(storage.join(data_root, FOLDER))
        disk.make_folder(folder)
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, suffix=_TEMPORARY_SUFFIX, dir=folder)
    os.close(descriptor)
    return Path(name)


def remove_dead_files(data_root: str) -> None:
    """Removes the files that killed writers left under a local data_root."""
    if storage.is_remote(data_root):
        return
    for pattern in (f"{_TEMPORARY_PREFIX}*{_TEMPORARY_SUFFIX}", ".*.tfrecord.*.tmp"):  # ours, and storage's
        for path in Path(storage.join(data_root, FOLDER)).glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _DEAD_AFTER_SECONDS:
                    path.unlink()
