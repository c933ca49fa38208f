"""Equal tiles are one dataset, however the work is shared out; and a tile more or less changes only its own shard."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from small_source import write_source, write_tile

from components import storage
from components.contracts import Inventory, Manifest
from components.ingest.inventory import inventory_of
from components.ingest.settings import IngestSettings
from components.merge.merge import merge_shards
from components.progress import StepLog
from components.shard.writer import shard_partition

NUM_TRAIN_SHARDS = 4


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    write_source(root, train=12, val=3, test=3)
    return root


def prepare(source: Path, data_root: Path, num_partitions: int, num_threads: int, chance: random.Random) -> Manifest:
    """Ingests, shards and merges, with everything in an order of chance whose order should not matter."""
    files = sorted(storage.list_files(str(source)), key=lambda file: file.path)
    chance.shuffle(files)
    settings = IngestSettings(
        classes="drydown,weed_cluster",
        num_partitions=num_partitions,
        num_workers=NUM_TRAIN_SHARDS,
        min_class_fraction=0.0,
        max_bad_fraction=0.5,
    )
    inventory: Inventory = inventory_of(files, str(source), str(data_root), settings, StepLog("ingest"))
    inventory_path = data_root.parent / f"{data_root.name}-inventory"
    inventory.write(inventory_path)
    receipts = []
    for partition in chance.sample(inventory.partitions, len(inventory.partitions)):
        receipts.append(str(data_root.parent / f"{data_root.name}-receipts-{partition.index}"))
        shard_partition(
            str(inventory_path), str(partition.index), str(data_root), receipts[-1], StepLog("shard"), num_threads
        )
    chance.shuffle(receipts)
    artifact, report = data_root.parent / f"{data_root.name}-manifest", data_root.parent / f"{data_root.name}.html"
    return merge_shards(str(inventory_path), receipts, str(data_root), str(artifact), str(report), StepLog("merge"))


def contents(data_root: Path) -> dict[str, bytes]:
    folders = ("shards", "receipts", "datasets")
    paths = [path for folder in folders for path in (data_root / folder).rglob("*") if path.is_file()]
    # What a dataset was made from names the plan, and so is another document in each partitioning.
    return {str(path.relative_to(data_root)): path.read_bytes() for path in paths if path.name != "origin.json"}


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    data_root = tmp_path_factory.mktemp("expected") / "data"
    prepare(source, data_root, num_partitions=1, num_threads=1, chance=random.Random(0))
    return contents(data_root)


@pytest.mark.parametrize("seed", [*range(1, 5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 13))])
def test_shards_receipts_manifest_and_report_are_the_same_in_any_partitioning(
    source: Path, expected: dict[str, bytes], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    prepare(source, tmp_path / "data", chance.randint(1, 8), chance.randint(1, 9), chance)
    assert contents(tmp_path / "data") == expected


def stamps(data_root: Path) -> dict[str, tuple[int, int]]:
    status = {path.name: path.stat() for path in (data_root / "shards").glob("*.tfrecord")}
    return {name: (each.st_ino, each.st_mtime_ns) for name, each in status.items()}


def add_one(source: Path) -> None:
    write_tile(source, 13, "train", 0)


def remove_one(source: Path) -> None:
    for path in source.rglob("TRAIN2_448-0-512-64.*"):
        path.unlink()


def spoil_one(source: Path) -> None:
    """Another file under the same name, as large as before and with another time."""
    (path,) = source.rglob("rgb/TRAIN2_448-0-512-64.jpg")
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("change", [add_one, remove_one, spoil_one])
def test_a_tile_more_or_less_rewrites_one_shard(tmp_path: Path, change: Callable[[Path], None]) -> None:
    write_source(tmp_path / "source", train=12, val=3, test=3)
    data_root, chance = tmp_path / "data", random.Random(0)
    before = prepare(tmp_path / "source", data_root, num_partitions=2, num_threads=2, chance=chance)
    untouched = stamps(data_root)
    change(tmp_path / "source")
    after = prepare(tmp_path / "source", data_root, num_partitions=2, num_threads=2, chance=chance)
    assert after.num_tiles == before.num_tiles + (1 if change is add_one else -1)
    assert untouched.items() <= stamps(data_root).items()
    assert len(stamps(data_root)) == len(untouched) + 1
    old, new = ({shard.path for shard in each.splits["train"].shards} for each in (before, after))
    assert (len(old), len(new - old)) == (NUM_TRAIN_SHARDS, 1)
    assert {split: each.shards for split, each in before.splits.items() if split != "train"} == {
        split: each.shards for split, each in after.splits.items() if split != "train"
    }
