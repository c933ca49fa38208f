"""The plan says where its numbers come from, and says what the planner does."""

import hashlib
import re

import hypothesis
import pytest
from command_here import agrivision_here
from hypothesis import strategies
from tile_listing import release_files, tile_name, write_files

from components.agrivision import PAPER_2020
from components.errors import SettingsError
from components.ingest.inventory import build_inventory
from components.ingest.plan_explained import expected_sizes, explain_shards, plan_splits
from components.ingest.planner import MB, num_shards
from components.ingest.settings import IngestSettings
from components.progress import StepLog


@pytest.mark.parametrize(
    ("split", "num_tiles", "megabytes", "num_workers", "reason"),
    [
        (
            "train", 360, 72, 2,
            "64 MB each would give 2; raised to 6, so that 2 workers can shuffle and divide them; "
            "not 16, 8 each, because shards below 10 MB are slow to read, and not 7, "
            "so that most shards stay the same when tiles are added",
        ),
        (
            "train", 5_000, 500, 2,
            "64 MB each would give 8; raised to 16, so that 2 workers have 8 each to shuffle and divide; "
            "more would gain nothing",
        ),
        (
            "train", 57_000, 11_400, 2,
            "64 MB each would give 179; rounded to 192, so that most shards stay the same when tiles are added; "
            "2 workers would need only 16",
        ),
        (
            "train", 100, 15, 1,
            "64 MB each would give 1; not 8, 8 per worker, because shards below 10 MB are slow to read",
        ),
        (
            "train", 100, 20, 3,
            "64 MB each would give 1; raised to 3, so that each of 3 workers has one to read, "
            "though only 2 would reach the 10 MB that are fast to read",
        ),
        (
            "val", 100, 65, 4,
            "64 MB each would give 2; rounded to 1, so that most shards stay the same when tiles are added; "
            "only train is divided among workers",
        ),
        (
            "test", 3, 600, 1,
            "64 MB each would give 10; rounded to 8, so that most shards stay the same when tiles are added; "
            "only train is divided among workers; lowered to 3, "
            "because there are no more tiles",
        ),
    ],
)  # fmt: skip
def test_every_number_has_its_reason(split, num_tiles, megabytes, num_workers, reason):
    assert explain_shards(split, num_tiles, megabytes * MB, 64, num_workers) == reason


@hypothesis.given(
    split=strategies.sampled_from(["train", "val", "test"]),
    num_tiles=strategies.integers(64, 2_000),
    num_bytes=strategies.integers(1, 10**11),
    shard_size_mb=strategies.integers(1, 200),
    num_workers=strategies.integers(1, 64),
)
@hypothesis.settings(max_examples=300, deadline=None)
def test_the_last_number_that_is_named_is_the_planners(split, num_tiles, num_bytes, shard_size_mb, num_workers):
    reason = explain_shards(split, num_tiles, num_bytes, shard_size_mb, num_workers)
    named = re.findall(r"(?:give|rounded to|raised to|lowered to) ([\d,]+)", reason)[-1]
    assert int(named.replace(",", "")) == num_shards(split, num_tiles, num_bytes, shard_size_mb, num_workers)


def test_a_source_known_by_its_size_is_split_by_percent():
    assert expected_sizes(1_001, 200, 20, 10) == {
        "val": (200, 40_000_000), "test": (100, 20_000_000), "train": (701, 140_200_000),
    }  # fmt: skip
    assert [plan.num_tiles for plan in plan_splits(expected_sizes(3, 1, 20, 20), 64, 1)] == [1, 1, 1]
    assert expected_sizes(100, 200, 20, 20, 256)["train"] == (60, 60 * 68_812)  # 1.05 bytes per pixel
    assert expected_sizes(100, 200, 20, 20, 512)["train"] == (60, 60 * 200_000)  # never more than as they are
    with pytest.raises(SettingsError, match="num_tiles must be at least 3, one for each split, got 2"):
        expected_sizes(2, 200, 20, 20)
    with pytest.raises(SettingsError, match="tile_kb must be at least 1, got 0"):
        expected_sizes(10, 0, 20, 20)


def test_the_plan_of_a_source_is_what_ingest_does_and_writes_nothing(tmp_path):
    names = [tile_name(f"F{number // 4}", number % 4) for number in range(80)]
    source_uri = write_files(tmp_path / "tiles", release_files(PAPER_2020, "data2017_miniscale", names))
    result = agrivision_here("plan", "--source-uri", source_uri, "--train-num-workers", "3")
    lines = result.stdout.splitlines()
    assert lines[0] == "80 tiles in layout paper-2020, split by field"
    assert re.fullmatch(r"train: 48 tiles, 0\.0 MB in 3 shards of 0\.0 MB on average, 1 per worker", lines[1])
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]
    inventory = build_inventory(source_uri, str(tmp_path / "data"), IngestSettings(num_workers=3), StepLog("ingest"))
    shards = [shard for partition in inventory.partitions for shard in partition.shards]
    assert sum(shard.split == "train" for shard in shards) == 3
    for partition in inventory.partitions:
        content = (tmp_path / "data" / partition.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == partition.sha256


def test_the_plan_of_the_paper_release_from_its_size_alone():
    result = agrivision_here("plan", "--num-tiles", "94986", "--train-num-workers", "64")
    assert result.stdout.splitlines()[:2] == [
        "train: 56,992 tiles, 11,398.4 MB in 512 shards of 22.3 MB on average, 8 per worker",
        "  64 MB each would give 179; raised to 512, so that 64 workers have 8 each to shuffle and divide; "
        "more would gain nothing",
    ]
    assert len(result.stdout.splitlines()) == 6


def test_smaller_tiles_need_fewer_shards():
    result = agrivision_here("plan", "--num-tiles", "94986", "--shard-tile-size-px", "256", "--train-num-workers", "1")
    assert result.stdout.splitlines()[:3] == [
        "larger tiles are scaled down to 256 px; their stored size is an estimate",
        "train: 56,992 tiles, 3,921.7 MB in 64 shards of 61.3 MB on average, 64 per worker",
        "  64 MB each would give 62; rounded to 64, so that most shards stay the same when tiles are added; "
        "1 worker would need only 8",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "plan needs either --source-uri or --num-tiles"),
        (["--num-tiles", "10", "--train-num-workers", "9"], "more workers than shards: train_num_workers=9"),
        (["--num-tiles", "10", "--shard-size-mb", "0"], "shard_size_mb must be at least 1, got 0"),
    ],
)
def test_a_plan_that_cannot_be_made_is_one_line(arguments, message):
    result = agrivision_here("plan", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
