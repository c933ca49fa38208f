"""Copies of a picture stay in one split where the split is ours; in two classes they are bad; the rest is not read."""

import collections
import hashlib
import io
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from tile_listing import fake_tile, tile_table, with_splits

from components import storage
from components.contracts import Inventory, SourceTile
from components.errors import DataError
from components.ingest.inventory import build_inventory
from components.ingest.repeats import contents
from components.ingest.repeats.looks import look_of
from components.ingest.settings import IngestSettings
from components.ingest.splits import assign_splits
from components.progress import StepLog
from components.records.source_formats import MAX_SOURCE_BYTES

NUM = 30  # pictures in each of two classes


def picture(seed: int, size_px: int = 96, quality: int = 95) -> bytes:
    """Six by six squares of random colours, as JPEG."""
    squares = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    buffer = io.BytesIO()
    image = Image.fromarray(squares).resize((96, 96), Image.Resampling.NEAREST).resize((size_px, size_px))
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def write_classes(root: Path, num: int = NUM, split: str = "") -> Path:
    for number, name in enumerate(("crop", "soil")):
        folder = root / split / name
        folder.mkdir(parents=True)
        for index in range(num):
            (folder / f"{split}{name}{index:02}.jpg").write_bytes(picture(1000 * number + index))
    return root


def ingested(source: Path, data_root: Path, **settings: object) -> tuple[Inventory, dict[str, SourceTile]]:
    """Returns the inventory and the tiles with their splits, by name."""
    inventory = build_inventory(
        str(source), str(data_root), IngestSettings(num_workers=1, **settings), StepLog("ingest")
    )  # fmt: skip
    lines = [line for part in inventory.partitions for line in (data_root / part.path).read_bytes().splitlines()]
    tiles = [msgspec.json.decode(line, type=SourceTile) for line in lines]
    return inventory, {tile.tile_id: tile for tile in tiles}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """The parts of files that are read: name, offset, length."""
    found: list[tuple[str, int, int]] = []
    read_range = storage.read_range

    def noted(uri: str, offset: int, length: int) -> bytes:
        found.append((uri.rpartition("/")[2], offset, length))
        return read_range(uri, offset, length)

    monkeypatch.setattr(storage, "read_range", noted)
    return found


def test_copies_of_a_picture_are_in_one_split_and_every_split_has_its_share(tmp_path: Path) -> None:
    source = write_classes(tmp_path / "source")
    for index in range(12):
        shutil.copy(source / f"crop/crop{index:02}.jpg", source / f"crop/copy{index:02}.jpg")
    inventory, tiles = ingested(source, tmp_path / "data")
    assert all(tiles[f"crop{index:02}"].split == tiles[f"copy{index:02}"].split for index in range(12))
    assert inventory.split_origin == "by field, balanced by class; copies of a picture in one split"
    assert inventory.num_fields == inventory.num_tiles == 72
    counts = collections.Counter((tile.split, tile.classes[0]) for tile in tiles.values())
    for name, num_tiles in (("crop", 42), ("soil", 30)):
        for split, share in (("train", 0.6), ("val", 0.2), ("test", 0.2)):
            assert counts[split, name] == pytest.approx(share * num_tiles, abs=2)
    assert len({tiles[f"copy{index:02}"].split for index in range(12)}) == 3  # and not all in one


def test_without_copies_the_split_is_as_if_nothing_was_compared(tmp_path: Path) -> None:
    source = write_classes(tmp_path / "source")
    for index in range(5):  # of equal size, and different
        path = source / f"crop/crop{index:02}.jpg"
        (source / f"crop/other{index:02}.jpg").write_bytes(path.read_bytes()[:-3] + b"abc")
    compared, anywhere = (ingested(source, tmp_path / how, duplicates=how) for how in ("equal", "anywhere"))
    assert compared == anywhere


def test_only_files_of_equal_size_are_read_and_most_of_them_in_a_small_part(
    tmp_path: Path, reads: list[tuple[str, int, int]]
) -> None:
    source = tmp_path / "source"
    for index in range(6):
        (source / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        # Of 20, 20, 20, 20 + 4, 20 + 5 and 2 kB; the first two are equal.
        size = [20_000, 20_000, 20_000, 20_004, 20_005, 2_000][index]
        (source / "ab"[index % 2] / f"{index}.jpg").write_bytes(bytes([max(index, 1)]) * size)
    with pytest.raises(
        DataError, match=r"2 of 6 tiles .* 0: the same picture is in class b, as 1; 1: the same picture"
    ):
        ingested(source, tmp_path / "data")
    samples = [(name, length) for name, _, length in reads if length == contents._SAMPLE_BYTES]
    assert sorted(samples) == [("0.jpg", 4096), ("1.jpg", 4096), ("2.jpg", 4096)]
    assert sorted({name for name, _, length in reads if length > contents._SAMPLE_BYTES}) == ["0.jpg", "1.jpg"]


def test_a_file_that_the_shard_step_refuses_for_its_size_is_not_read(
    tmp_path: Path, reads: list[tuple[str, int, int]]
) -> None:
    source = write_classes(tmp_path / "source")
    for index in range(2):
        with (source / f"crop/huge{index}.jpg").open("wb") as file:
            file.truncate(MAX_SOURCE_BYTES + 1)  # equal, and to be read to the end to know it
    ingested(source, tmp_path / "data")
    assert not [name for name, _, _ in reads if "huge" in name]


def test_nothing_is_read_of_what_a_bucket_lists_the_md5_of(
    tmp_path: Path, reads: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_classes(tmp_path / "source")
    for index in range(8):
        shutil.copy(source / f"crop/crop{index:02}.jpg", source / f"crop/copy{index:02}.jpg")
    by_reading = ingested(source, tmp_path / "data")
    assert reads
    reads.clear()
    paths = sorted(path for path in source.rglob("*.jpg"))
    listed = [(str(path.relative_to(source)), hashlib.md5(path.read_bytes()).digest()) for path in paths]
    monkeypatch.setattr(storage, "list_md5", lambda root: iter(listed))
    assert ingested(source, tmp_path / "listed") == by_reading
    assert reads == []
    # An object put together from parts has no md5; it is read and compared with those that have.
    monkeypatch.setattr(storage, "list_md5", lambda root: (each for each in listed if "copy" not in each[0]))
    assert ingested(source, tmp_path / "parts") == by_reading
    assert {name for name, _, _ in reads} == {f"copy{index:02}.jpg" for index in range(8)}


def test_a_split_that_is_official_is_not_read_for_copies(tmp_path: Path, reads: list[tuple[str, int, int]]) -> None:
    for split in ("train", "val", "test"):
        write_classes(tmp_path / "source", 3, split)
    inventory, _ = ingested(tmp_path / "source", tmp_path / "data")
    assert (inventory.split_origin, reads) == ("official", [])


def test_copies_in_train_stay_together_where_only_val_is_ours(tmp_path: Path) -> None:
    source = write_classes(write_classes(tmp_path / "source", 20, "train"), 6, "test")
    for index in range(8):
        shutil.copy(source / f"train/crop/traincrop{index:02}.jpg", source / f"train/crop/copy{index:02}.jpg")
    _, tiles = ingested(source, tmp_path / "data", val_percent=50)
    splits = [(tiles[f"traincrop{index:02}"].split, tiles[f"copy{index:02}"].split) for index in range(8)]
    assert {*splits} == {("train", "train"), ("val", "val")}


def test_a_picture_in_two_classes_is_bad_under_each_of_its_names(tmp_path: Path) -> None:
    source = write_classes(tmp_path / "source")
    shutil.copy(source / "crop/crop07.jpg", source / "soil/also.jpg")
    with pytest.raises(DataError, match=r"2 of 61 tiles .* 3.3%, .* crop07: the same picture is in class soil"):
        ingested(source, tmp_path / "data")
    inventory, tiles = ingested(source, tmp_path / "data", max_bad_fraction=0.1)
    assert [(bad.tile_id, bad.reason) for bad in inventory.rejected] == [
        ("also", "the same picture is in class crop, as crop07"),
        ("crop07", "the same picture is in class soil, as also"),
    ]
    assert (inventory.num_tiles, inventory.num_fields, len(tiles)) == (59, 59, 59)
    assert not {"also", "crop07"} & {*tiles}


def test_a_refusal_that_names_three_says_where_all_are(tmp_path: Path) -> None:
    source = write_classes(tmp_path / "source")
    for index in range(4):
        shutil.copy(source / f"crop/crop{index:02}.jpg", source / f"soil/also{index:02}.jpg")
    with pytest.raises(DataError, match=r"and 5 more; all are listed in '.*/lists/bad-tiles-\w{16}\.tsv'") as error:
        ingested(source, tmp_path / "data")
    listed = Path(str(error.value).rpartition("listed in ")[2].strip("'")).read_text().splitlines()
    assert listed[0] == "tile\treason"
    assert len(listed) == 1 + 8
    assert listed[1] == "also00\tthe same picture is in class crop, as crop00"


def test_fields_that_share_a_picture_are_one_unit_of_the_split_whatever_links_them() -> None:
    tiles = [fake_tile(f"F{number}", 0) for number in range(9)]
    before, _ = with_splits(tiles)
    with tile_table(tiles) as table:
        table.join([0, 3, 5])
        split_of, origin = assign_splits(table, 20, 20, "/source")
        assert split_of[0] == split_of[3] == split_of[5]
        assert {*split_of} == {0, 1, 2}
        assert table.num_joined == 2
        assert origin == "by field; copies of a picture in one split"
    assert len(before) == 9


def test_too_few_units_are_told_with_what_was_joined() -> None:
    with tile_table([fake_tile(f"F{number}", 0) for number in range(4)]) as table:
        table.join([0, 1, 2])
        with pytest.raises(DataError, match=r"4 labelled tiles of 2 fields .*, where those that share a picture count"):
            assign_splits(table, 20, 20, "/source")


def test_pictures_that_look_alike_stay_together_only_if_asked_for(tmp_path: Path) -> None:
    source = write_classes(tmp_path / "source")
    for index in range(10):  # saved again at another size and quality: no byte is the same
        (source / f"crop/small{index:02}.jpg").write_bytes(picture(index, 72, 70))
    (source / "soil/other_class.jpg").write_bytes(picture(3, 80, 60))
    inventory, tiles = ingested(source, tmp_path / "data")
    apart = [index for index in range(10) if tiles[f"crop{index:02}"].split != tiles[f"small{index:02}"].split]
    assert apart
    assert inventory.near is None
    inventory, tiles = ingested(source, tmp_path / "data", duplicates="near")
    assert inventory.near is not None
    assert inventory.near.num_pairs >= 11
    together = [(f"crop{index:02}", f"small{index:02}") for index in range(10)]
    assert all(tiles[one].split == tiles[other].split for one, other in together)
    assert tiles["other_class"].split == tiles["crop03"].split  # kept, and in the list with both classes
    listed = [line.split("\t") for line in (tmp_path / "data" / inventory.near.list_path).read_text().splitlines()]
    assert len(listed) == 1 + inventory.near.num_pairs
    assert {"crop", "soil"} in [{row[2], row[5]} for row in listed]
    assert not inventory.rejected


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.tile(np.arange(90, dtype=np.uint8), (80, 1)), (1 << 64) - 1),
        (np.tile(np.arange(90, dtype=np.uint8)[::-1], (80, 1)), 0),
        (np.full((80, 90), 100, np.uint8), None),
        (100 + np.random.default_rng(0).integers(0, 5, (80, 90)).astype(np.uint8), None),
    ],
)
def test_a_look_is_which_neighbour_is_brighter_and_flat_pictures_have_none(pixels: np.ndarray, expected: int | None):
    assert look_of(np.repeat(pixels[..., np.newaxis], 3, axis=-1)) == expected


def test_a_file_that_cannot_be_read_is_left_to_the_shard_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_classes(tmp_path / "source")
    for name in ("one", "two"):
        (source / f"crop/{name}.jpg").write_bytes(b"no picture" * 100)
    read_range = storage.read_range

    def gone(uri: str, offset: int, length: int) -> bytes:
        if uri.endswith("one.jpg"):
            raise FileNotFoundError(uri)
        return read_range(uri, offset, length)

    monkeypatch.setattr(storage, "read_range", gone)
    inventory, tiles = ingested(source, tmp_path / "data", duplicates="near")
    assert {"one", "two"} <= {*tiles}
    assert not inventory.rejected
