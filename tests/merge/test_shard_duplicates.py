"""The same picture under two names: a remark inside a split, a refusal across splits."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sharded import shard_and_merge
from small_source import CLASSES, plan, write_file, write_source

from components.agrivision import CLASS_FOLDERS, PAPER_2020
from components.contracts import Annotation, Inventory, Manifest, Note, SourceFile, SourceTile
from components.dataset.audit.leaks import check_leaks
from components.dataset.dataset_sums import DatasetSums
from components.dataset.picture_digests import PictureDigests, picture_digest
from components.dataset.receipts import read_shard_receipt
from components.dataset.temporary_database import temporary_database
from components.errors import DataError
from components.merge import duplicates
from components.merge.duplicates import Duplicates, NamedTile, RepeatedPictures, find_repeats, judge_repeats
from components.records import record_table


def test_digests_are_told_apart_by_split():
    digests = PictureDigests()
    one, two, three, four = (picture_digest(bytes([number])) for number in range(4))
    digests.add("train", one + two + two + three)
    digests.add("val", three)
    digests.add("val", four + two)
    digests.add("test", b"")
    across, within, num_repeated = digests.repeats()
    assert {value.tobytes() for value in across} == {two, three}
    assert {value.tobytes() for value in within} == {two}
    assert num_repeated == 3  # two twice more, three once more
    assert [len(found) for found in PictureDigests().repeats()[:2]] == [0, 0]


def inventory_of(layout: str, split_origin: str) -> Inventory:
    values: dict = dict.fromkeys(("num_tiles", "num_fields", "num_unlabelled", "seed"), 0)
    values |= {"source_uri": "", "classes": (), "bands": (), "fingerprint": "", "partitions": ()}
    return Inventory(
        layout=layout, split_origin=split_origin, min_class_fraction=0.0, max_bad_fraction=0.0, **values
    )  # fmt: skip


ACROSS = RepeatedPictures(2, 1, [Duplicates((NamedTile("A", "train"), NamedTile("B", "train"), NamedTile("C", "val")))])
MESSAGE = "1 picture is in two splits, e.g. as A in train and as C in val"


@pytest.mark.parametrize(
    ("layout", "split_origin"),
    [(PAPER_2020, "by field"), (PAPER_2020, "by field, of the official train"), (CLASS_FOLDERS, "official")],
)
def test_a_picture_in_two_splits_stops_the_run_where_the_split_or_the_source_is_the_users(layout, split_origin):
    way_out = "remove one of each two from the source"
    if split_origin.startswith("by field"):
        way_out += ", or set ingest_duplicates=equal, which keeps them in one split,"
    with pytest.raises(DataError, match=f"{MESSAGE}; this inflates scores, so {way_out} and run again; "):
        judge_repeats(ACROSS, inventory_of(layout, split_origin))


def test_in_an_official_split_of_a_release_it_is_a_warning():
    notes, warnings = judge_repeats(ACROSS, inventory_of(PAPER_2020, "official"))
    assert notes == [Note("B", "the same picture as A"), Note("C", "the same picture as A")]
    assert warnings == [f"{MESSAGE}: this inflates scores; duplicates.tsv beside the manifest lists all"]


CLASH = RepeatedPictures(
    1, 0, [Duplicates((NamedTile("A", "train", "water"), NamedTile("B", "train", "")))], 1, 2
)  # fmt: skip


def test_contradicting_classes_of_a_picture_are_said_in_warning_and_remark() -> None:
    notes, warnings = judge_repeats(CLASH, inventory_of(PAPER_2020, "official"), num_tiles=100)
    assert notes == [Note("B", "the same picture as A, which has water, not no class")]
    assert warnings == [
        "1 picture has contradicting classes, e.g. A has water and B has no class: no model can learn both; "
        "duplicates.tsv beside the manifest lists all"
    ]


@pytest.mark.parametrize(("num_rejected", "is_refused"), [(0, False), (1, True)])
def test_in_class_folders_the_tiles_of_such_a_picture_count_as_bad(num_rejected: int, is_refused: bool) -> None:
    inventory = msgspec.structs.replace(inventory_of(CLASS_FOLDERS, "official"), max_bad_fraction=0.02)
    if not is_refused:
        assert judge_repeats(CLASH, inventory, "", num_rejected, 100)[1]
        return
    with pytest.raises(DataError, match=r"with them 3 of 100 tiles are bad, more than ingest_max_bad_fraction=0\.02"):
        judge_repeats(CLASH, inventory, "", num_rejected, 100)


def same_picture(tiles: list[SourceTile], index: int, like: int, root: Path) -> None:
    """Gives a tile the RGB file of another, under its own name."""
    shutil.copy(root / tiles[like].rgb.path, root / tiles[index].rgb.path)
    size = (root / tiles[index].rgb.path).stat().st_size
    tiles[index] = msgspec.structs.replace(
        tiles[index], rgb=msgspec.structs.replace(tiles[index].rgb, num_bytes=size, version="2")
    )


def test_what_is_there_twice_or_disagrees_is_in_manifest_and_report(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    same_picture(tiles, 9, 2, tmp_path / "source")  # of other shards
    tiles[1] = msgspec.structs.replace(tiles[1], rgb=write_file(tmp_path / "source", tiles[1].rgb.path, b"\xff\xd8 no"))
    mask = 64 * 64
    tiles[4] = msgspec.structs.replace(tiles[4], annotated={"weed_cluster": Annotation(1, mask, mask)})
    manifests = []
    for num_partitions in (1, 2):
        data_root = tmp_path / str(num_partitions)
        path = plan(tmp_path / "source", data_root, tiles, num_partitions=num_partitions)
        manifests.append(shard_and_merge(path, data_root, data_root))
    manifest = manifests[0]
    assert manifest == manifests[1]
    assert manifest.num_notes == 2
    first, second = sorted((tiles[2].tile_id, tiles[9].tile_id))
    classes = {tiles[2].tile_id: "drydown", tiles[9].tile_id: "drydown, weed_cluster"}
    assert set(manifest.notes) == {
        Note(second, f"the same picture as {first}, which has {classes[first]}, not {classes[second]}"),
        Note(
            tiles[4].tile_id,
            "drydown: no region annotated, 768 px in the mask; weed_cluster: 1 region annotated, the mask is empty",
        ),
    }
    report = (tmp_path / "1" / "report.html").read_text().replace("<wbr>", "")
    assert all(note.text in report for note in manifest.notes)
    (published,) = (tmp_path / "1" / "datasets").glob("*/manifest.json")
    listed = [line.split("\t") for line in (published.parent / "duplicates.tsv").read_text().splitlines()]
    assert listed[0] == ["picture", "tile", "split", "classes", "file"]
    assert {row[1]: row[3] for row in listed[1:]} == classes
    assert "1 tile repeats the picture of another. Each picture is in one split. 1 picture has different" in report
    assert f"{first} ({classes[first]}) = {second} ({classes[second]})" in report
    assert Manifest.read(published) == manifest
    assert check_leaks(str(published)).num_tiles == 19


def test_a_leak_is_found_when_the_dataset_is_merged_and_by_verify(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    same_picture(tiles, 18, 3, tmp_path / "source")
    path = plan(tmp_path / "source", tmp_path, tiles)  # an official split
    manifest = shard_and_merge(path, tmp_path, tmp_path)
    named = f"train ({tiles[3].tile_id})"
    with pytest.raises(DataError, match=r"leaks: 1 picture is in two splits, e.g. test .* and ") as raised:
        check_leaks(str(tmp_path / "datasets" / manifest.sha256[:16] / "manifest.json"))
    assert named in str(raised.value)

    shutil.rmtree(tmp_path / "datasets")
    by_field = msgspec.structs.replace(Inventory.read(path), split_origin="by field")
    by_field.write(path)
    with pytest.raises(DataError, match=f"as {tiles[18].tile_id} in test and as {tiles[3].tile_id} in train"):
        shard_and_merge(path, tmp_path, tmp_path)
    assert not (tmp_path / "datasets").exists()


def test_names_of_equal_pictures_are_those_that_ingest_planned_or_refused(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    same_picture(tiles, 9, 2, tmp_path / "source")
    path = plan(tmp_path / "source", tmp_path, tiles)
    shard_and_merge(path, tmp_path, tmp_path)
    (lines,) = (tmp_path / "inventories").glob("*/partition-*.jsonl")
    content = lines.read_bytes()
    sums = DatasetSums(Inventory.read(path))
    for shard in Inventory.read(path).partitions[0].shards:
        sums.add(read_shard_receipt(str(tmp_path), shard))
    name = tiles[9].tile_id.encode()
    for damaged in (
        content.replace(name, name.replace(b"TRAIN", b"BRAIN")),
        b"".join(line for line in content.splitlines(keepends=True) if name not in line),
        b"".join(line for line in content.splitlines(keepends=True) if b'"shard":2' not in line),
        content.replace(b'"shard":2', b'"shard":1'),
    ):
        assert damaged != content
        lines.write_bytes(damaged)
        with (
            temporary_database() as database,
            pytest.raises(DataError, match=r"partition-00000\.jsonl.*run ingest again"),
        ):
            find_repeats(sums, Inventory.read(path), str(tmp_path), database)


def test_ten_million_digests_take_no_python_object_each():
    digests = PictureDigests()
    numbers = np.arange(1_000_000, dtype=np.uint64)
    digests.add("train", numbers.tobytes())
    digests.add("val", (numbers[:3] + 999_999).tobytes())
    assert digests.repeats()[0].tolist() == [numbers[-1]]


def test_of_many_repeated_pictures_those_in_two_splits_are_named_first_and_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures 0 to 8 are there five times each in train; the last of them also in val, and that is a leak."""
    monkeypatch.setattr(duplicates, "MAX_LISTED", 2)
    tiles = [
        SourceTile(tile_id=f"t{i:02}", field_id="F", split="train", shard=i // 9, rgb=SourceFile(f"{i}", 1, "1"))
        for i in range(45)
    ] + [SourceTile(tile_id="v", field_id="G", split="val", shard=0, rgb=SourceFile("v", 1, "1"))]
    inventory = Inventory.read(plan(tmp_path, tmp_path, tiles))
    sums = DatasetSums(inventory)
    for shard in inventory.partitions[0].shards:
        names = range(9) if shard.split == "train" else [8]
        sums.digests.add(shard.split, b"".join(name.to_bytes(8, "little") for name in names))
        sums.num_tiles[shard.split, shard.index] = shard.num_tiles
        sums.records[shard.split] += record_table.row(1, [1, 0]) * shard.num_tiles
    with temporary_database() as database:
        found = find_repeats(sums, inventory, str(tmp_path), database)
        rows = list(found.rows())
    assert len(rows) == 46
    assert {row[3] for row in rows} == {CLASSES[0]}
    assert (found.num_tiles, found.num_across) == (37, 1)
    leak = next(group for group in found.named if len(group.splits) == 2)
    assert (leak.tiles[0], leak.tiles[-1]) == (NamedTile("t08", "train", "drydown"), NamedTile("v", "val", "drydown"))
    assert len(found.named) == 2
    assert sum(len(group.tiles) for group in found.named) <= 4 + 2 * 2  # names listed, and the first in each split
