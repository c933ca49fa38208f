"""Shards one partition: reads every source file once, checks every tile, keeps the shards that exist already."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterator

from components import storage, words
from components.contracts import Inventory, Partition, PlannedShard, ShardReceipt, ShardReceipts, SourceFile, SourceTile
from components.dataset.partition import planned_tiles
from components.dataset.plan_check import ShardKey, as_planned
from components.dataset.receipts import is_done
from components.errors import DataError, SettingsError
from components.ordered_map import REMOTE_THREADS, map_in_order, num_threads_for
from components.progress import Progress, StepLog


def shard_partition(
    inventory_path: str,
    partition: str,
    data_root: str,
    receipts_path: str,
    log: StepLog,
    num_threads: int | None = None,
) -> ShardReceipts:
    """Writes the missing shards of one partition and their receipts to `data_root`, and lists all its receipts.

    The bytes depend only on the tiles: not on partitions, threads, or what was there before.

    Args:
      partition: Index into the inventory's partitions, as text.
      receipts_path: Local file for the list; merge reads the receipts themselves from data_root.
      num_threads: How many tiles to read and check at a time; by default one per processor, more for a bucket.

    Raises:
      SettingsError: if there is no such partition.
      DataError: if the source has changed since ingest listed it.
    """
    inventory = Inventory.read(inventory_path)
    work = _partition(inventory, partition)
    with concurrent.futures.ThreadPoolExecutor(REMOTE_THREADS) as pool:
        done = list(pool.map(functools.partial(is_done, data_root), work.shards))
    missing = {
        (shard.split, shard.index): shard for shard, is_there in zip(work.shards, done, strict=True) if not is_there
    }
    if len(missing) < len(work.shards):
        log.line(f"{len(work.shards) - len(missing)} of {len(work.shards)} shards exist already")

    written = _Written()
    if missing:
        progress = Progress(log, sum(shard.num_tiles for shard in missing.values()), f"{words.unit(inventory.layout)}s")
        for receipt in _write_missing(inventory, work, missing, data_root, progress, num_threads):
            written.add(receipt)

    document = ShardReceipts(partition=work.index, source_digests=tuple(shard.source_digest for shard in work.shards))
    document.write(receipts_path)
    log.summary = written.summary(len(work.shards))
    return document


@dataclasses.dataclass
class _Written:
    """Counts of what this run wrote; the receipts themselves are on disk and need no memory."""

    num_receipts: int = 0
    num_shards: int = 0
    num_tiles: int = 0
    num_rejected: int = 0
    num_bytes: int = 0

    def add(self, receipt: ShardReceipt) -> None:
        self.num_receipts += 1
        self.num_shards += bool(receipt.path)
        self.num_tiles += receipt.num_tiles
        self.num_rejected += len(receipt.rejected)
        self.num_bytes += receipt.num_bytes

    def summary(self, num_planned: int) -> str:
        text = f"wrote {self.num_tiles:,} tiles to {self.num_shards} shards ({words.as_size(self.num_bytes)})"
        if self.num_rejected:
            text += f", {self.num_rejected:,} rejected"
        if self.num_receipts < num_planned:
            text += f", {num_planned - self.num_receipts} shards existed already"
        return text


def _partition(inventory: Inventory, partition: str) -> Partition:
    known = {str(each.index): each for each in inventory.partitions}
    if partition not in known:
        raise SettingsError(f"no partition {partition!r} in the inventory; it has {', '.join(known) or 'none'}")
    return known[partition]


def _write_missing(
    inventory: Inventory,
    work: Partition,
    missing: dict[ShardKey, PlannedShard],
    data_root: str,
    progress: Progress,
    num_threads: int | None,
) -> Iterator[ShardReceipt]:
    # Imported here because the decoders take a second to load, and a run that finds every shard needs none of them.
    from components.shard import shard_file, tile_check

    shard_file.remove_dead_files(data_root)
    read = functools.partial(_read_source, inventory.source_uri)
    checked = map_in_order(
        lambda tile: ((tile.split, tile.shard), tile_check.check_tile(tile, inventory, read)),
        as_planned(planned_tiles(data_root, work, SourceTile), missing, inventory, work.path),
        num_threads or num_threads_for(storage.is_remote(inventory.source_uri)),
    )
    groups = (
        (missing[key], (tile for _, tile in group))
        for key, group in itertools.groupby(checked, key=lambda result: result[0])
    )
    num_written = 0
    with contextlib.closing(checked):
        for receipt in shard_file.write_shards(groups, inventory, data_root, progress):
            yield receipt
            num_written += 1
    if num_written != len(missing):
        raise DataError(
            f"{work.path!r} has tiles of {num_written} of the {len(missing)} shards planned; run ingest again"
        )


def _read_source(source_uri: str, file: SourceFile) -> bytes:
    uri = storage.join(source_uri, file.path)
    try:
        content = storage.read_bytes(uri)
    except FileNotFoundError as error:
        raise DataError(f"{uri!r} is gone since ingest listed it; run again, with a new listing") from error
    except PermissionError as error:
        raise DataError(f"this process may not read {uri!r}; its permissions must allow it") from error
    if len(content) != file.num_bytes:
        raise DataError(
            f"{uri!r} has changed since ingest listed it: expected {file.num_bytes:,} bytes, "
            f"got {len(content):,}; run again, with a new listing"
        )
    return content
