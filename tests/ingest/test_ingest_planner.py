"""Shards of a good size, enough of them for the workers, the same whatever the number of partitions."""

import collections
import dataclasses
import tempfile
from pathlib import Path

import msgspec
import pytest
from tile_listing import fake_tile, filled_shards

from components.agrivision import SPLITS
from components.contracts import PlannedShard, SourceFile, SourceTile
from components.errors import SettingsError
from components.ingest.planner import MB, num_shards


@pytest.mark.parametrize(
    ("split", "num_tiles", "megabytes", "shard_size_mb", "num_workers", "expected"),
    [
        ("train", 57_000, 11_400, 64, 2, 192),  # the paper release: as many as its bytes fill, 179, to the nearest step
        ("train", 57_000, 11_400, 64, 64, 512),  # 8 to a worker, of 22 MB
        ("train", 57_000, 11_400, 64, 256, 1024),  # as many as 10 MB allow, 1140, to the step below
        ("val", 18_000, 3_700, 64, 256, 64),  # only train is shared out
        ("train", 5_000, 1_000, 64, 2, 16),
        ("train", 500, 100, 64, 2, 8),
        ("train", 2_000, 400, 64, 5, 40),  # 8 to a worker is no step, but the same for any number of tiles
        ("train", 2_000, 399, 64, 5, 32),
        ("train", 100, 20, 64, 2, 2),
        ("train", 100, 20, 64, 3, 3),  # below 10 MB, as every worker needs one
        ("train", 100, 2, 64, 4, 4),
        ("train", 4, 2, 64, 4, 4),  # as many workers as tiles
        ("val", 100, 2, 64, 4, 1),
        ("val", 100, 64, 64, 4, 1),
        ("val", 100, 65, 64, 4, 1),
        ("val", 100, 90, 64, 4, 1),
        ("val", 100, 91, 64, 4, 2),
        ("test", 3, 600, 64, 1, 3),  # never more than tiles
        ("train", 1_000, 100, 1, 1, 96),  # small ones if asked for
        ("val", 1, 0, 64, 1, 1),
    ],
)
def test_the_number_of_shards(split, num_tiles, megabytes, shard_size_mb, num_workers, expected):
    assert num_shards(split, num_tiles, megabytes * MB, shard_size_mb, num_workers) == expected


@pytest.mark.parametrize("shard_size_mb", [64, 20, 200])
def test_the_number_of_shards_grows_in_steps_whose_shards_are_nearly_as_large_as_was_asked_for(shard_size_mb):
    counts = []
    for megabytes in range(1, 100 * shard_size_mb):
        count = num_shards("val", 10**6, megabytes * MB, shard_size_mb, 1)
        assert megabytes < shard_size_mb or 0.7 < megabytes / count / shard_size_mb < 1.42
        counts.append(count)
    assert counts == sorted(counts)
    assert sorted(set(counts)) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96]


@pytest.mark.parametrize(
    ("split", "megabytes", "until"),  # from how many MB on there are as many shards, and until how many
    [
        ("val", 1, 90),
        ("val", 91, 156),
        ("val", 10_034, 14_188),
        ("train", 60, 79),
        ("train", 80, 119),
        ("train", 160, 1_254),
    ],
)
def test_the_number_of_shards_stays_while_tiles_are_added(split, megabytes, until):
    counts = [num_shards(split, 10**6, size * MB, 64, 2) for size in (megabytes - 1, megabytes, until, until + 1)]
    assert counts[1] == counts[2] < counts[3]
    assert counts[0] < counts[1] or megabytes == 1


def test_more_workers_than_shards_can_be_is_one_line():
    message = (
        "more workers than shards: train_num_workers=8, but there are only 5 train tiles; set train_num_workers to"
    )
    with pytest.raises(SettingsError, match=message):
        num_shards("train", 5, 10**9, 64, 8)


def tiles(num_train: int = 240, num_other: int = 40, num_bytes: int = 200_000):
    return [
        fake_tile(f"{split}{number // 8}", number % 8, split, num_bytes)
        for split, count in (("train", num_train), ("val", num_other), ("test", num_other))
        for number in range(count)
    ]


@dataclasses.dataclass(frozen=True)
class Shard:
    planned: PlannedShard
    tiles: list[SourceTile]


def shares_of(tiles, num_partitions=1, shard_size_mb=4, **changes) -> list[list[Shard]]:
    settings = {"layout": "paper-2020", "classes": ("a", "b"), "bands": ("red",)}
    settings |= (
        {"min_class_fraction": 0.002, "tile_size_px": 0, "max_16_bit": 65_535} | {"label_masks": False} | changes
    )
    with tempfile.TemporaryDirectory() as folder:
        shares = filled_shards(
            tiles, Path(folder), num_partitions=num_partitions, shard_size_mb=shard_size_mb, **settings
        )
    return [[Shard(planned, members) for planned, members in share] for share in shares]


def fill(tiles, **changes) -> list[Shard]:
    return shares_of(tiles, **changes)[0]


def test_every_tile_is_in_one_shard_of_its_split():
    shards = fill(tiles())
    assert collections.Counter(shard.planned.split for shard in shards) == {"train": 12, "val": 2, "test": 2}
    there = sorted(tile.tile_id for shard in shards for tile in shard.tiles)
    assert there == sorted(tile.tile_id for tile in tiles())
    for shard in shards:
        assert {(tile.split, tile.shard) for tile in shard.tiles} == {(shard.planned.split, shard.planned.index)}
        assert (shard.planned.num_tiles, shard.planned.num_bytes) == (len(shard.tiles), 200_000 * len(shard.tiles))


def test_smaller_tiles_make_fewer_shards_of_the_size_that_was_asked_for():
    shards = fill(tiles(num_other=2_400), shard_size_mb=40, tile_size_px=256)
    val = [shard.planned for shard in shards if shard.planned.split == "val"]
    assert len(val) == 2  # of 2,400 tiles of 0.6 * 256 * 256 bytes, where those as they are would fill 12
    assert sum(shard.num_bytes for shard in val) == 2_400 * 39_321


def test_shards_are_alike_and_mix_the_fields():
    train = [shard for shard in fill(tiles(num_train=2_400), shard_size_mb=40) if shard.planned.split == "train"]
    assert len(train) == 16
    assert all(100 <= shard.planned.num_tiles <= 200 for shard in train)  # 150 on average
    for shard in train:
        names = [tile.field_id for tile in shard.tiles]
        assert len(set(names)) > 80
        assert names != sorted(names)


def test_the_plan_does_not_depend_on_the_order_of_the_tiles():
    assert fill(tiles()[::-1]) == fill(tiles())


def test_a_few_tiles_still_fill_every_shard():
    for num_workers in range(1, 13):
        shards = fill(tiles(num_train=12, num_other=1, num_bytes=1000), num_workers=num_workers)
        assert [shard.planned.num_tiles > 0 for shard in shards] == [True] * (num_workers + 2)


def test_a_tile_more_changes_one_shard():
    digests = {shard.planned.source_digest for shard in fill(tiles(num_bytes=199_000))}
    more = [*tiles(num_bytes=199_000), fake_tile("new", 0, "train", 1_000)]
    assert len(digests - {shard.planned.source_digest for shard in fill(more)}) == 1


def test_a_twentieth_more_tiles_leave_every_tile_in_its_shard():
    places = {tile.tile_id: (tile.split, tile.shard) for shard in fill(tiles()) for tile in shard.tiles}
    more = [*tiles(), *(fake_tile(f"new{number}", 0, "train") for number in range(12))]
    shards = fill(more)
    assert len(shards) == 16
    assert (
        places.items() <= {tile.tile_id: (tile.split, tile.shard) for shard in shards for tile in shard.tiles}.items()
    )
    before = {shard.planned.source_digest for shard in fill(tiles())}
    for shard in shards:  # and one that got none of the new tiles need not be written again
        assert (shard.planned.source_digest in before) != any(tile.field_id.startswith("new") for tile in shard.tiles)


@pytest.mark.parametrize(
    ("changed", "num_new"),
    [
        ({}, 0),
        ({"seed": 1}, 16),
        ({"classes": ("b", "a")}, 16),
        ({"bands": ("red", "nir")}, 16),
        ({"min_class_fraction": 0.01}, 16),
        ({"tile_size_px": 1024}, 16),
        ({"max_16_bit": 10_000}, 16),
        ({"label_masks": True}, 16),
        ({"layout": "challenge-2020"}, 16),
        ({"num_workers": 1}, 0),  # the same number of shards
    ],
)
def test_the_digest_changes_with_all_that_the_shard_follows_from(changed, num_new):
    before = {shard.planned.source_digest for shard in fill(tiles())}
    assert len({shard.planned.source_digest for shard in fill(tiles(), **changed)} - before) == num_new


@pytest.mark.parametrize(
    "change",
    [
        {"rgb": SourceFile("rgb/other.jpg", 200_000, "1")},
        {"rgb": SourceFile("rgb/x", 200_001, "1")},
        {"rgb": SourceFile("rgb/x", 200_000, "2")},
        {"nir": SourceFile("nir/x", 1, "1")},
        {"mask": SourceFile("mask/x", 1, "1")},
        {"labels": {"a": SourceFile("a/x", 1, "1")}},
        {"classes": ("a",)},
        {"field_id": "other"},
    ],
)
def test_the_digest_changes_with_every_file_of_a_tile(change):
    base = msgspec.structs.replace(fake_tile("A", 0, "test"), rgb=SourceFile("rgb/x", 200_000, "1"))
    others = [*tiles(num_other=0), fake_tile("B", 0, "val")]
    digests = [
        fill([*others, tile])[-1].planned.source_digest for tile in (base, msgspec.structs.replace(base, **change))
    ]
    assert len(set(digests)) == 2


def test_the_digest_does_not_change_with_the_place_of_a_shard():
    as_val = fill([*tiles(num_other=0), fake_tile("A", 0, "val"), fake_tile("B", 0, "test")])
    as_test = fill([*tiles(num_other=0), fake_tile("A", 0, "test"), fake_tile("B", 0, "val")])
    assert as_val[-2].planned.source_digest == as_test[-1].planned.source_digest


@pytest.mark.parametrize(("num_partitions", "expected"), [(1, 1), (2, 2), (3, 3), (16, 16), (100, 16)])
def test_partitions_share_the_shards_evenly_and_do_not_change_them(num_partitions, expected):
    shards = fill(tiles())
    shares = shares_of(tiles(), num_partitions)
    assert len(shares) == expected
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    dealt = [shard for share in shares for shard in share]
    order = {split: index for index, split in enumerate(SPLITS)}
    assert sorted(dealt, key=lambda shard: (order[shard.planned.split], shard.planned.index)) == shards
