"""From a folder to an inventory and its partition files: complete, the same every time, or one clear line."""

import json
import os
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from ingested import build, challenge_paths, names, split_counts, tiles_of
from tile_listing import release_files, write_files

from components import storage
from components.agrivision import CHALLENGE_2020, CLASS_FOLDERS, PAPER_2020, SUPERVISED_2021
from components.contracts import SourceTile
from components.errors import DataError, SettingsError


def write_paper(root: Path) -> str:
    """Writes two years, each with its official split in the two files of the release."""
    for year in (2017, 2018):
        splits = {split: names(f"{year}{split}", count) for split, count in (("train", 24), ("val", 8), ("test", 8))}
        for tiles in splits.values():
            write_files(root, release_files(PAPER_2020, f"data{year}_miniscale", tiles))
        by_field = {split: sorted({name.partition("_")[0] for name in tiles}) for split, tiles in splits.items()}
        (root / f"data{year}_splits.json").write_text(json.dumps(by_field))
        stats = {split: {f"field_bounds/{name}.png": {} for name in tiles} for split, tiles in splits.items()}
        (root / f"data{year}_miniscale" / "field_stats.json").write_text(json.dumps(stats))
    return str(root)


@pytest.mark.parametrize(
    ("layout", "counts", "origin", "num_unlabelled", "num_bands"),
    [
        (PAPER_2020, {"train": 48, "val": 16, "test": 16}, "official", 0, 4),
        (CHALLENGE_2020, {"train": 32, "val": 8, "test": 12}, "official train and val; val is used as test", 8, 4),
        (SUPERVISED_2021, {"train": 32, "val": 8, "test": 12}, "official train and val; val is used as test", 8, 4),
        (CLASS_FOLDERS, {"train": 24, "val": 8, "test": 8}, "by field", 0, 3),
    ],
)
def test_every_layout_becomes_an_inventory(tmp_path, layout, counts, origin, num_unlabelled, num_bands):
    if layout == PAPER_2020:
        source_uri = write_paper(tmp_path / "tiles")
    elif layout == CLASS_FOLDERS:
        paths = [f"{'water' if number % 3 else 'weed'}/{number}.jpg" for number in range(40)]
        source_uri = write_files(tmp_path / "tiles", paths)
    else:
        source_uri = write_files(tmp_path / "tiles", challenge_paths(layout))
    inventory = build(source_uri, tmp_path / "data")
    assert inventory.layout == layout
    assert split_counts(inventory) == counts
    assert inventory.split_origin.startswith(origin)
    assert (inventory.num_tiles, inventory.num_unlabelled) == (sum(counts.values()), num_unlabelled)
    assert (len(inventory.bands), inventory.rejected) == (num_bands, ())

    tiles = tiles_of(inventory, tmp_path / "data")
    assert inventory.num_fields == len({tile.field_id for tile in tiles})
    splits: dict[str, str] = {}
    for tile in tiles:
        assert splits.setdefault(tile.field_id, tile.split) == tile.split
        assert (tmp_path / "tiles" / tile.rgb.path).stat().st_size == tile.rgb.num_bytes


def test_the_lines_of_a_partition_are_those_of_its_shards_in_order(tmp_path):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    inventory = build(source_uri, tmp_path / "data", num_partitions=3, num_workers=5)
    for partition in inventory.partitions:
        lines = (tmp_path / "data" / partition.path).read_bytes().splitlines()
        tiles = [msgspec.json.decode(line, type=SourceTile) for line in lines]
        expected = [(shard.split, shard.index) for shard in partition.shards for _ in range(shard.num_tiles)]
        assert [(tile.split, tile.shard) for tile in tiles] == expected
        assert partition.num_tiles == len(tiles)
    assert sorted(len(partition.shards) for partition in inventory.partitions) == [2, 2, 3]


def test_a_second_run_gives_the_same_bytes_and_writes_nothing(tmp_path):
    source_uri = write_paper(tmp_path / "tiles")
    first = build(source_uri, tmp_path / "data")
    before = {file.path: file.version for file in storage.list_files(str(tmp_path / "data"))}
    assert build(source_uri, tmp_path / "data").to_json() == first.to_json()
    assert {file.path: file.version for file in storage.list_files(str(tmp_path / "data"))} == before

    copy = shutil.copytree(tmp_path / "tiles", tmp_path / "elsewhere")  # keeps the times
    moved = build(str(copy), tmp_path / "other")
    assert moved.partitions == first.partitions


def test_a_damaged_partition_file_is_written_anew(tmp_path):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    inventory = build(source_uri, tmp_path / "data")
    path = tmp_path / "data" / inventory.partitions[0].path
    content = path.read_bytes()
    path.write_bytes(content[:100])
    build(source_uri, tmp_path / "data")
    assert path.read_bytes() == content


def test_shards_do_not_depend_on_partitions_but_their_files_have_another_place(tmp_path):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    one, three = (build(source_uri, tmp_path / "data", num_partitions=count) for count in (1, 3))
    shards = [
        sorted((s.split, s.index, s.source_digest) for p in each.partitions for s in p.shards) for each in (one, three)
    ]
    assert shards[0] == shards[1]
    assert one.fingerprint == three.fingerprint
    assert {p.path for p in one.partitions}.isdisjoint(p.path for p in three.partitions)


@pytest.mark.parametrize(
    ("settings", "has_another_place"),
    [
        ({"max_bad_fraction": 0.5}, False),  # for this source, nothing follows from it
        ({"shard_size_mb": 32}, False),  # all of it is in the fewest shards either way
        ({"layout": CHALLENGE_2020}, False),  # as it was recognised
        ({"num_workers": 3}, True),
        ({"seed": 1}, True),
        ({"tile_size_px": 64}, True),
        ({"min_class_fraction": 0.1}, True),
    ],
)
def test_partition_files_are_named_by_what_is_in_them(tmp_path, settings, has_another_place):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    one, other = (build(source_uri, tmp_path / "data", **each) for each in ({}, settings))
    assert (one.partitions != other.partitions) == has_another_place


def test_the_fingerprint_changes_with_the_tiles_and_with_nothing_else(tmp_path):
    source_uri = write_paper(tmp_path / "tiles")
    first = build(source_uri, tmp_path / "data")
    (tmp_path / "tiles" / "README.md").write_text("about")
    assert build(source_uri, tmp_path / "data", seed=5).fingerprint == first.fingerprint
    os.utime(tmp_path / "tiles" / "data2017_splits.json", ns=(1, 1))
    second = build(source_uri, tmp_path / "data")
    assert second.fingerprint != first.fingerprint
    label = next((tmp_path / "tiles" / "data2018_miniscale" / "field_labels").rglob("*.png"))
    os.utime(label, ns=(1, 1))
    assert build(source_uri, tmp_path / "data").fingerprint != second.fingerprint


def test_fewer_shards_than_partitions_make_fewer_partitions(tmp_path, capsys):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    inventory = build(source_uri, tmp_path / "data", num_partitions=50, num_workers=1)
    assert [partition.index for partition in inventory.partitions] == [0, 1, 2]
    assert "ingest | 3 partitions instead of 50, because there are no more shards" in capsys.readouterr().out


def test_a_few_bad_tiles_are_left_out_and_reported(tmp_path):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    bad = names("TRAIN", 40)[7]
    os.remove(tmp_path / "tiles" / "train" / "images" / "nir" / f"{bad}.jpg")
    inventory = build(source_uri, tmp_path / "data", max_bad_fraction=1 / 52)  # just
    assert [(rejection.tile_id, rejection.reason) for rejection in inventory.rejected] == [(bad, "nir: no such file")]
    assert inventory.num_tiles == 51
    message = (
        f"1 of 52 tiles under {source_uri!r} are bad, 1.9%, more than ingest_max_bad_fraction=0.019 allows: "
        f"{bad}: nir: no such file"
    )
    with pytest.raises(
        DataError, match=rf"^{re.escape(message)}; all are listed in '.*/lists/bad-tiles-\w{{16}}\.tsv'$"
    ):
        build(source_uri, tmp_path / "data", max_bad_fraction=0.019)


def _nothing(paths: list[str]) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("change", "settings", "error", "message"),
    [
        (_nothing, {}, DataError, "no known layout under .* which has no file; expected paper-2020: "),
        (
            lambda paths: paths,
            {"layout": PAPER_2020},
            SettingsError,
            "ingest_layout is paper-2020, but .* challenge-2020",
        ),
        (
            lambda paths: [p for p in paths if "/nir/" not in p],
            {},
            DataError,
            "no tile under .* has a nir file, but 60",
        ),
        (
            lambda paths: [p for p in paths if "/boundaries/" not in p],
            {},
            DataError,
            r"52 of 52 tiles .*, 100.0%, more",
        ),
        (
            lambda paths: [p for p in paths if "/labels/" not in p],
            {"layout": CHALLENGE_2020},
            DataError,
            "no labelled tile",
        ),
        (lambda paths: [p for p in paths if not p.startswith("train")], {}, DataError, "are all in val; expected"),
        (
            lambda paths: paths,
            {"num_workers": 33},
            SettingsError,
            "more workers than shards: train_num_workers=33, .* 32",
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_one_line(tmp_path, change, settings, error, message):
    source_uri = write_files(tmp_path / "tiles", [*change(challenge_paths()), ".gitkeep"])
    with pytest.raises(error, match=message) as raised:
        build(source_uri, tmp_path / "data", **settings)
    assert "\n" not in str(raised.value)
    assert {path.name for path in (tmp_path / "data").glob("*")} <= {"lists"}  # of what was refused


def test_a_data_root_that_cannot_be_written_is_one_line(tmp_path):
    source_uri = write_files(tmp_path / "tiles", challenge_paths())
    (tmp_path / "data").write_text("a file")
    with pytest.raises(
        SettingsError, match=r"cannot write '.*/data/inventories/.*: Not a directory; data_root must be"
    ):
        build(source_uri, tmp_path / "data")
