"""Sharding against decoding alone, and sharding without decoding against tar."""

import concurrent.futures
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from bench.dataset import Dataset, ingest, shard
from bench.pairs import Row, Side
from bench.repeated_tiles import repeat_tiles
from bench.run_settings import Setup
from bench.sides import compare
from components import storage
from components.contracts import Inventory, SourceFile, SourceTile
from components.measuring.turns import work_turn
from components.ordered_map import map_in_order
from components.progress import Progress, StepLog
from components.records.tile_record import Record, serialize
from components.shard import shard_file
from components.shard.tile_check import CheckedTile

_NUM_COPIES = 8  # of each tile to pass through; with 600 tiles of 512 px, 0.9 GB


def _in_fresh_root(dataset: Dataset, work: Callable[[str, Path], object]) -> None:
    """Calls `work` with the inventory and a new root that has ingest's files but no shard."""
    with tempfile.TemporaryDirectory(dir=dataset.root.parent) as folder:
        shutil.copytree(dataset.root / "inventories", Path(folder) / "inventories")
        work(str(dataset.root / "inventory.json"), Path(folder))


def shard_vs_decode(setup: Setup, target: float) -> Row:
    """The shard stage with all its checks, against TensorFlow's decoders alone on the same files."""
    dataset = setup.dataset
    tiles = dataset.tiles()

    def decode(tile: SourceTile) -> None:
        for file in (tile.rgb, tile.nir, tile.boundary, tile.mask, *tile.labels.values()):
            if file is not None:
                content = (dataset.source / file.path).read_bytes()
                channels = 3 if file is tile.rgb else 1
                if file.path.endswith(".png"):
                    tf.io.decode_png(content, channels=channels)
                else:
                    tf.io.decode_jpeg(content, channels=channels, dct_method="INTEGER_ACCURATE")

    pool = concurrent.futures.ThreadPoolExecutor(setup.num_threads)
    ours = functools.partial(
        _in_fresh_root, dataset, lambda inventory, root: shard(inventory, root, num_threads=setup.num_threads)
    )
    return compare(
        "shard_vs_decode",
        Side(
            f"components.shard.writer, {setup.num_threads} threads: files read, checked, decoded, counted, written to "
            "shards and synced; equal small masks are decoded once",
            work_turn(ours, len(tiles)),
        ),
        Side(
            f"tf.io.decode_jpeg and decode_png, {setup.num_threads} threads: every file of the same tiles read and "
            "decoded, nothing else",
            work_turn(lambda: list(pool.map(decode, tiles)), len(tiles)),
        ),
        setup,
        target,
    )


def shard_masks_vs_without(setup: Setup, target: float) -> Row:
    """The shard stage that also stores the masks of the classes, against the same without."""
    dataset, num_tiles = setup.dataset, len(setup.dataset.tiles())

    def root_of(label_masks: bool) -> Path:
        return dataset.root.with_name(f"{dataset.root.name}-{'masks' if label_masks else 'no-masks'}")

    def side(label_masks: bool) -> Side:
        root = root_of(label_masks)
        root.mkdir(exist_ok=True)
        ingest(dataset.source, root, label_masks=label_masks)

        def make(inventory: str, fresh: Path) -> None:
            shard(inventory, fresh, num_threads=setup.num_threads)
            num_bytes = sum(file.stat().st_size for file in fresh.rglob("*.tfrecord"))
            (root / "num_bytes").write_text(str(num_bytes))  # each side is a process of its own

        what = "with the masks of its classes in every record" if label_masks else "without"
        turn = functools.partial(_in_fresh_root, Dataset(dataset.source, root, dataset.manifest), make)
        return Side(f"components.shard.writer, {setup.num_threads} threads, {what}", work_turn(turn, num_tiles))

    row = compare("shard_masks_vs_without", side(True), side(False), setup, target)
    with_masks, without = (int((root_of(masks) / "num_bytes").read_text()) for masks in (True, False))
    return Row(**{**vars(row), "note": f"{with_masks / without - 1:+.2%} bytes"})


def passthrough_vs_tar(setup: Setup, target: float) -> Row:
    """Sharding without checks (read, serialize, write, hash, sync) against `tar` on the same files and a sync.

    Without the sync, tar ends as soon as the system has the bytes in memory, where a power cut would lose them.
    """
    return _passthrough("passthrough_vs_tar", setup, target, is_synced=True)


def passthrough_vs_tar_unsynced(setup: Setup, target: None) -> Row:
    """The same against `tar` without a sync."""
    return _passthrough("passthrough_vs_tar_unsynced", setup, target, is_synced=False)


def _enlarged(setup: Setup) -> Dataset:
    """Returns the dataset with each tile several times, so that shards have their usual size."""
    root = setup.folder / f"repeated-{_NUM_COPIES}-{setup.num_dataset_tiles}-{setup.tile_size_px}"
    source = root / "source"
    if not (root / "inventory.json").exists():
        repeat_tiles(setup.dataset.source, source, _NUM_COPIES)
        ingest(source, root)
    return Dataset(source, root, setup.dataset.manifest)


def _passthrough(name: str, setup: Setup, target: float | None, is_synced: bool) -> Row:
    if not (tar := shutil.which("tar")):
        raise ImportError("no tar on this machine")
    dataset = _enlarged(setup)
    tiles = dataset.tiles()
    num_bytes = sum(file.num_bytes for tile in tiles for file in (tile.rgb, tile.nir) if file)
    inventory = Inventory.read(str(dataset.root / "inventory.json"))

    def content(file: SourceFile | None) -> bytes:
        return storage.read_bytes(storage.join(inventory.source_uri, file.path)) if file else b""

    def unchecked(tile: SourceTile) -> CheckedTile:
        no_classes = [0.0] * len(inventory.classes)
        record = Record(tile.tile_id, tile.field_id, content(tile.rgb), content(tile.nir), b"", no_classes, no_classes)
        return CheckedTile(
            record=record,
            serialized=serialize(record),
            year=0,
            width_px=1,
            height_px=1,
            valid_pixels=1,
            class_pixels=np.zeros(len(inventory.classes), np.int64),
            band_histogram=np.zeros((len(inventory.bands), 256), np.int64),
            picture_digest=b"",
            is_16_bit=False,
            remark="",
        )

    def write(_: str, root: Path) -> None:
        planned = {(s.split, s.index): s for part in inventory.partitions for s in part.shards}
        progress = Progress(StepLog("shard"), len(tiles))
        # Read in threads, as in the stage; one of them is left for writing.
        read = map_in_order(lambda tile: ((tile.split, tile.shard), unchecked(tile)), tiles, setup.num_threads)
        groups = (
            (planned[key], (tile for _, tile in group))
            for key, group in itertools.groupby(read, key=lambda result: result[0])
        )
        for _ in shard_file.write_shards(groups, inventory, str(root), progress):
            pass

    def tar_files(_: str, root: Path) -> None:
        names = root / "names"
        names.write_text("".join(f"{file.path}\n" for tile in tiles for file in (tile.rgb, tile.nir) if file))
        # Files with the same content are links to one file here, which tar would store only once.
        links = "--hard-dereference"
        arguments = ["-cf", str(root / "tiles.tar"), links, "-C", str(dataset.source), "-T", str(names)]
        subprocess.run([tar, *arguments], check=True)
        if is_synced:
            with (root / "tiles.tar").open("rb") as file:
                os.fsync(file.fileno())

    row = compare(
        name,
        Side(
            f"components.shard.shard_file, files read in {setup.num_threads} threads, made into records, "
            "checksummed, written, hashed, synced; nothing decoded",
            work_turn(functools.partial(_in_fresh_root, dataset, write), num_bytes / 1e6),
        ),
        Side(
            f"tar -cf of the same files to the same disk, {'then' if is_synced else 'not'} synced",
            work_turn(functools.partial(_in_fresh_root, dataset, tar_files), num_bytes / 1e6),
        ),
        setup,
        target,
    )
    return Row(**{**vars(row), "unit": "MB/s"})
