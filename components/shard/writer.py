"""Shards one partition: every source file is read once, every tile is checked, what exists already is kept."""

import concurrent.futures
import contextlib
import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from components import storage
from components.contracts import Inventory, Partition, PlannedShard, ShardReceipt, ShardReceipts, SourceFile, SourceTile
from components.errors import DataError, SettingsError
from components.progress import Progress, StepLog
from components.shard.partition import planned_tiles

RECEIPTS_FOLDER = "receipts"
_REMOTE_THREADS = 16  # a bucket answers in tens of milliseconds, whatever the processor does meanwhile

ShardKey: TypeAlias = tuple[str, int]  # split, index
Input = TypeVar("Input")
Output = TypeVar("Output")


def write_shards(
    inventory_path: str,
    partition: str,
    data_root: str,
    receipts_path: str,
    log: StepLog,
    num_threads: int | None = None,
) -> ShardReceipts:
    """Writes the missing shards of one partition to `data_root`, and its receipts to `receipts_path`.

    The bytes follow from the tiles alone: not from partitions, threads, or what was there before.

    Args:
      partition: Index into the inventory's partitions, as text.
      num_threads: Tiles that are read and checked at a time; by default one per processor, more for a bucket.

    Raises:
      SettingsError: if there is no such partition.
      DataError: if the source is no longer what ingest listed.
    """
    inventory = Inventory.read(inventory_path)
    work = _partition(inventory, partition)
    with concurrent.futures.ThreadPoolExecutor(_REMOTE_THREADS) as pool:
        existing = list(pool.map(functools.partial(_existing, data_root), work.shards))
    found = {shard.source_digest: receipt for shard, receipt in zip(work.shards, existing, strict=True)}
    missing = {(shard.split, shard.index): shard for shard in work.shards if found[shard.source_digest] is None}
    if len(missing) < len(work.shards):
        log.line(f"{len(work.shards) - len(missing)} of {len(work.shards)} shards are there already")

    written: dict[str, ShardReceipt] = {}
    if missing:
        progress = Progress(log, sum(shard.num_tiles for shard in missing.values()))
        for receipt in _write_missing(inventory, work, missing, data_root, progress, num_threads):
            storage.write_bytes(_receipt_uri(data_root, receipt.source_digest), receipt.to_json())
            written[receipt.source_digest] = receipt

    receipts = [written.get(shard.source_digest) or found[shard.source_digest] for shard in work.shards]
    document = ShardReceipts(partition=work.index, receipts=tuple(receipt for receipt in receipts if receipt))
    document.write(receipts_path)
    log.summary = _summary(list(written.values()), len(work.shards))
    return document


def _partition(inventory: Inventory, partition: str) -> Partition:
    known = {str(each.index): each for each in inventory.partitions}
    if partition not in known:
        raise SettingsError(f"no partition {partition!r} in the inventory; it has {', '.join(known) or 'none'}")
    return known[partition]


def _receipt_uri(data_root: str, source_digest: str) -> str:
    return storage.join(data_root, RECEIPTS_FOLDER, f"{source_digest}.json")


def _existing(data_root: str, shard: PlannedShard) -> ShardReceipt | None:
    """Returns the receipt of a shard that an earlier run wrote; None if anything about it is missing or unreadable."""
    uri = _receipt_uri(data_root, shard.source_digest)
    try:
        receipt = ShardReceipt.from_json(storage.read_bytes(uri), uri)
    except (FileNotFoundError, DataError):
        return None
    if receipt.path and storage.size(storage.join(data_root, receipt.path)) != receipt.num_bytes:
        return None
    # The digest is of what the shard holds, not of its place: the plan says where it belongs.
    return replace(receipt, split=shard.split, index=shard.index)


def _write_missing(
    inventory: Inventory,
    work: Partition,
    missing: dict[ShardKey, PlannedShard],
    data_root: str,
    progress: Progress,
    num_threads: int | None,
) -> Iterator[ShardReceipt]:
    # Imported here: TensorFlow takes seconds to load, and a run that finds every shard needs none of it.
    from components.shard import shard_file, tile_check

    shard_file.remove_dead_files(data_root)
    read = functools.partial(_read_source, inventory.source_uri)
    checked = _map_in_order(
        lambda tile: ((tile.split, tile.shard), tile_check.check_tile(tile, inventory, read)),
        (tile for tile in planned_tiles(data_root, work, SourceTile) if (tile.split, tile.shard) in missing),
        num_threads or (_REMOTE_THREADS if storage.is_remote(inventory.source_uri) else os.cpu_count() or 1),
    )
    num_written = 0
    with contextlib.closing(checked):
        for key, group in itertools.groupby(checked, key=lambda result: result[0]):
            tiles = (tile for _, tile in group)
            yield shard_file.write_shard(missing[key], tiles, inventory, data_root, progress)
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
        raise DataError(f"{uri!r} may not be read by this process; its permissions must allow it") from error
    if len(content) != file.num_bytes:
        raise DataError(
            f"{uri!r} has changed since ingest listed it: expected {file.num_bytes:,} bytes, "
            f"got {len(content):,}; run again, with a new listing"
        )
    return content


def _map_in_order(
    function: Callable[[Input], Output], items: Iterable[Input], num_threads: int
) -> Generator[Output, None, None]:
    """Yields function(item) in the order of the items, at most a few items ahead of what is taken."""
    pending: deque[concurrent.futures.Future[Output]] = deque()
    pool = concurrent.futures.ThreadPoolExecutor(num_threads)
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * num_threads:  # enough to keep the threads busy, little enough to hold in memory
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _summary(written: list[ShardReceipt], num_shards: int) -> str:
    num_tiles = sum(receipt.num_tiles for receipt in written)
    num_rejected = sum(len(receipt.rejected) for receipt in written)
    megabytes = sum(receipt.num_bytes for receipt in written) / 1e6
    text = f"wrote {num_tiles:,} tiles to {sum(1 for r in written if r.path)} shards ({megabytes:.1f} MB)"
    if num_rejected:
        text += f", {num_rejected:,} rejected"
    if len(written) < num_shards:
        text += f", {num_shards - len(written)} shards were there already"
    return text
