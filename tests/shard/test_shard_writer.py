import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import tensorflow as tf
from small_source import CLASSES, plan, write_file, write_source

from components.contracts import Inventory, ShardReceipt, ShardReceipts, SourceTile
from components.errors import DataError, SettingsError
from components.progress import StepLog
from components.records import tfrecords
from components.shard.writer import shard_partition

ROOT = Path(__file__).parents[2]


def shard_all(inventory_path: Path, data_root: Path, num_threads: int | None = None) -> list[ShardReceipts]:
    inventory = Inventory.read(inventory_path)
    log = StepLog("shard")
    return [
        shard_partition(
            str(inventory_path), str(part.index), str(data_root), str(data_root / f"out-{part.index}"), log, num_threads
        )
        for part in inventory.partitions
    ]


def receipts_of(data_root: Path, documents: list[ShardReceipts]) -> list[ShardReceipt]:
    digests = [digest for document in documents for digest in document.source_digests]
    return [ShardReceipt.read(data_root / f"receipts/{digest}.json") for digest in digests]


def contents(data_root: Path) -> dict[str, bytes]:
    """Every file that a reader could see in shards/ and receipts/, and hidden ones, which there should be none of."""
    return {
        str(path.relative_to(data_root)): path.read_bytes()
        for folder in ("shards", "receipts")
        for path in sorted((data_root / folder).glob("**/*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def expected(source: tuple[Path, list[SourceTile]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one partition and one thread write."""
    data_root = tmp_path_factory.mktemp("expected")
    shard_all(plan(source[0], data_root, source[1]), data_root, num_threads=1)
    return contents(data_root)


def test_the_records_hold_the_tiles_in_order(tmp_path: Path, source: tuple[Path, list[SourceTile]]) -> None:
    root, tiles = source
    receipts = receipts_of(tmp_path, shard_all(plan(root, tmp_path, tiles), tmp_path))
    assert [(r.split, r.index, r.num_tiles) for r in receipts] == [
        ("train", 0, 4), ("train", 1, 4), ("train", 2, 4), ("val", 0, 4), ("test", 0, 4),
    ]  # fmt: skip
    first = receipts[0]
    assert first.class_tiles == (4, 2)
    assert first.cooccurrence == ((4, 2), (2, 2))
    assert first.num_single_label == 2
    assert first.field_ids == ("TRAIN0", "TRAIN1")
    assert first.total_pixels == 4 * 64 * 64
    assert first.valid_pixels == 2 * 64 * 64 + 2 * 43 * 64  # tiles 0 and 3 reach beyond the field
    assert first.tile_sizes == {"64x64": 4}
    assert [sum(band) for band in first.band_histogram] == [first.valid_pixels] * 4

    records = [tfrecords.parse(record, len(CLASSES)) for record in tf.data.TFRecordDataset(str(tmp_path / first.path))]
    assert [record["tile_id"].numpy().decode() for record in records] == [tile.tile_id for tile in tiles[:4]]
    assert [record["rgb"].numpy() for record in records] == [(root / tile.rgb.path).read_bytes() for tile in tiles[:4]]
    assert [record["labels"].numpy().tolist() for record in records] == [[1, 0], [1, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(("num_partitions", "num_threads"), [(1, 8), (2, 1), (3, 3), (5, 2)])
def test_bytes_depend_on_neither_partitions_nor_threads(
    tmp_path: Path,
    source: tuple[Path, list[SourceTile]],
    expected: dict[str, bytes],
    num_partitions: int,
    num_threads: int,
) -> None:
    shard_all(plan(source[0], tmp_path, source[1], num_partitions), tmp_path, num_threads)
    assert contents(tmp_path) == expected


def test_a_second_run_redoes_only_what_is_missing(
    tmp_path: Path, source: tuple[Path, list[SourceTile]], expected: dict[str, bytes]
) -> None:
    inventory_path = plan(source[0], tmp_path, source[1])
    (document,) = shard_all(inventory_path, tmp_path)
    lost, cut, unreceipted, torn, kept = receipts_of(tmp_path, [document])
    (tmp_path / lost.path).unlink()
    (tmp_path / cut.path).write_bytes((tmp_path / cut.path).read_bytes()[:-10])
    (tmp_path / f"receipts/{unreceipted.source_digest}.json").unlink()
    (tmp_path / f"receipts/{torn.source_digest}.json").write_bytes(b'{"of another version": 1}')
    os.utime(tmp_path / kept.path, ns=(1, 1))
    assert shard_all(inventory_path, tmp_path) == [document]
    assert contents(tmp_path) == expected
    assert (tmp_path / kept.path).stat().st_mtime_ns == 1


def test_a_run_that_finds_all_reads_no_source_and_loads_no_decoder(
    tmp_path: Path, source: tuple[Path, list[SourceTile]]
) -> None:
    (tmp_path / "source").symlink_to(source[0])
    inventory_path = plan(tmp_path / "source", tmp_path, source[1])
    shard_all(inventory_path, tmp_path)
    (tmp_path / "source").unlink()
    code = (
        "import sys\nfrom components.progress import step_log\nfrom components.shard.writer import shard_partition\n"
        f"with step_log('shard 0') as log:\n"
        f"    shard_partition({str(inventory_path)!r}, '0', {str(tmp_path)!r}, 'again', log)\n"
        "assert 'simplejpeg' not in sys.modules"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "5 of 5 shards exist already" in run.stdout
    assert (tmp_path / "again").read_bytes() == (tmp_path / "out-0").read_bytes()


def test_bad_tiles_are_left_out_and_a_shard_of_them_has_no_file(tmp_path: Path) -> None:
    root, data_root = tmp_path / "source", tmp_path / "data"
    tiles = write_source(root, train=6, val=2, test=2, tiles_per_shard=2)
    for index in (1, 2, 3):  # the second tile of shard 0, and all of shard 1
        broken = write_file(root, tiles[index].rgb.path, b"not a picture")
        tiles[index] = msgspec.structs.replace(tiles[index], rgb=broken)
    (document,) = shard_all(plan(root, data_root, tiles), data_root)
    by_shard = {(r.split, r.index): r for r in receipts_of(data_root, [document])}
    assert by_shard["train", 0].num_tiles == 1
    assert [bad.tile_id for bad in by_shard["train", 0].rejected] == [tiles[1].tile_id]
    empty = by_shard["train", 1]
    assert (empty.path, empty.sha256, empty.num_bytes, empty.num_tiles, len(empty.rejected)) == ("", "", 0, 0, 2)
    assert len(list((data_root / "shards").iterdir())) == 4
    assert shard_all(plan(root, data_root, tiles), data_root) == [document]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is gone since ingest listed it"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "has changed since ingest listed it"),
    ],
    ids=["gone", "changed"],
)
def test_a_source_that_changed_since_ingest_stops_the_step(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    root, data_root = tmp_path / "source", tmp_path / "data"
    tiles = write_source(root, train=4, val=1, test=1, tiles_per_shard=2)
    damage(root / tiles[3].rgb.path)
    with pytest.raises(DataError, match=message):
        shard_all(plan(root, data_root, tiles), data_root)
    assert not [name for name in contents(data_root) if "/." in name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "test shard 0: the inventory plans 4 tiles, but .*partition-00000.jsonl' has 3"),
        (lambda lines: lines[:-4], "4 of the 5 shards planned"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "its lines in .* are not those in the inventory's plan"),
        (lambda lines: [*lines[:9], lines[9].replace(b"TRAIN3", b"TRAIN4"), *lines[10:]], "train shard 2: its lines"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b"masks", b"labels/drydown")], "test shard 0: its lines in"),
        (
            lambda lines: [lines[0].replace(b'"weed_cluster"', b'"weed_clustre"'), *lines[1:]],
            "train shard 0: its lines",
        ),
        (lambda lines: [lines[0][:-5] + b"\n", *lines[1:]], "line 1 of .* is not a tile"),
    ],
    ids=["line lost", "shard lost", "order", "field", "another file", "class", "line cut"],
)
def test_a_partition_file_that_is_not_the_planned_one_is_refused(
    tmp_path: Path,
    source: tuple[Path, list[SourceTile]],
    change: Callable[[list[bytes]], list[bytes]],
    message: str,
) -> None:
    inventory_path = plan(source[0], tmp_path, source[1])
    planned = {shard.source_digest for shard in Inventory.read(inventory_path).partitions[0].shards}
    path = tmp_path / "inventories/by-hand/partition-00000.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))
    with pytest.raises(DataError, match=message):
        shard_all(inventory_path, tmp_path)
    path.write_bytes(b"".join(lines))
    shard_all(inventory_path, tmp_path)  # nothing of the changed lines was taken for what was planned
    assert {path.stem for path in (tmp_path / "receipts").iterdir()} == planned
    assert len(list((tmp_path / "shards").iterdir())) == len(planned)


def test_a_partition_that_is_not_planned_is_refused(tmp_path: Path, source: tuple[Path, list[SourceTile]]) -> None:
    inventory_path = plan(source[0], tmp_path, source[1])
    with pytest.raises(SettingsError, match="no partition '3' in the inventory; it has 0"):
        shard_partition(str(inventory_path), "3", str(tmp_path), str(tmp_path / "out"), StepLog("shard 3"))


@pytest.mark.slow
def test_a_worker_killed_within_a_shard_leaves_nothing_half_done(
    tmp_path: Path, source: tuple[Path, list[SourceTile]], expected: dict[str, bytes]
) -> None:
    root, tiles = source
    data_root = tmp_path / "data"
    inventory_path = plan(root, data_root, tiles)
    # The worker hangs for certain in the third shard: one of its files is never read to its end.
    code = (
        "import time; from components import storage; from components.progress import StepLog\n"
        "from components.shard.writer import shard_partition\n"
        f"read = storage.read_bytes; stuck = {str(root / tiles[10].rgb.path)!r}\n"
        "storage.read_bytes = lambda uri: time.sleep(1000) if uri == stuck else read(uri)\n"
        f"shard_partition({str(inventory_path)!r}, '0', {str(data_root)!r}, 'out', StepLog('shard 0'), 2)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 120
    while not list((data_root / "shards").glob(".*")) or len(list((data_root / "receipts").glob("*.json"))) < 2:
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    visible = {name: content for name, content in contents(data_root).items() if "/." not in name}
    assert len(visible) == 4  # two shards and their receipts, whole
    assert visible.items() <= expected.items()
    leftovers = list((data_root / "shards").glob(".*"))
    assert leftovers  # it really was within a shard
    for path in leftovers:
        os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    shard_all(inventory_path, data_root)
    assert contents(data_root) == expected  # the dead worker's file, two days old by now, is gone too
