"""No field, overlapping windows or picture in two splits, on any manifest: read from the records, named, one line."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from tile_shards import fake_record, manifest_of, write_split

from components.agrivision import TileId
from components.contracts import Manifest
from components.dataset.audit.leaks import check_leaks, overlapping
from components.errors import DataError
from components.records.tile_record import Record
from pipeline.cli import main

_TILES = {
    number: fake_record(number, size_px=16) for number in range(9)
}  # encoded once; every test gives them other names


def record(number: int, tile_id: str, field_id: str = "") -> Record:
    values = {name: getattr(_TILES[number], name) for name in Record.__dataclass_fields__}
    return Record(**{**values, "tile_id": tile_id, "field_id": field_id or tile_id.partition("_")[0]})


def write(data_root: Path, splits: dict[str, Sequence[Record]]) -> tuple[str, Manifest]:
    manifest = manifest_of({split: write_split(data_root, tiles, 1) for split, tiles in splits.items()}, 16)
    path = data_root / "datasets" / manifest.sha256[:16] / "manifest.json"
    manifest.write(path)
    return str(path), manifest


def apart() -> dict[str, list[Record]]:
    """A dataset whose splits share nothing, though windows inside a split overlap and fields share coordinates."""
    return {
        "train": [record(0, "A_0-0-16-16"), record(1, "A_8-0-24-16"), record(2, "B_0-0-16-16")],
        "val": [record(3, "C_0-0-16-16"), record(4, "photo", "photo")],
        "test": [record(5, "D_0-0-16-16"), record(6, "cat/photo", "cat/photo")],
    }


def test_splits_that_share_nothing_pass_wherever_the_shards_lie(tmp_path: Path) -> None:
    path, manifest = write(tmp_path / "data", apart())
    report = check_leaks(path)
    assert (report.num_tiles, report.num_fields, report.splits) == (7, 6, ("train", "val", "test"))
    manifest.write(tmp_path / "moved")
    assert check_leaks(str(tmp_path / "moved"), str(tmp_path / "data")) == report


@pytest.mark.parametrize(
    ("split", "added", "message"),
    [
        (
            "test",
            record(7, "A_4-4-20-20"),
            "1 of 6 fields are in two splits, e.g. A in test (A_4-4-20-20) and train (A_0-0-16-16); 2 pairs of windows "
            "overlap across splits, e.g. A_0-0-16-16 (train) and A_4-4-20-20 (test)",
        ),
        # Windows side by side share no pixel, but light, crop and day.
        ("val", record(7, "B_16-0-32-16"), "e.g. B in train (B_0-0-16-16) and val (B_16-0-32-16); scores"),
        # What a record says of its field does not hide what its name says.
        (
            "val",
            record(7, "B_0-8-16-24", "another"),
            "1 pair of windows overlaps across splits, e.g. B_0-0-16-16 (train)",
        ),
        # ... nor the other way round.
        ("val", record(7, "X_0-8-16-24", "B"), "e.g. B in train (B_0-0-16-16) and val (X_0-8-16-24)"),
        (
            "test",
            record(4, "E_0-0-16-16"),
            "leaks: 1 picture is in two splits, e.g. test (E_0-0-16-16) and val (photo)",
        ),
    ],
)
def test_what_is_in_two_splits_is_refused_and_named(tmp_path: Path, split: str, added: Record, message: str) -> None:
    splits = apart()
    splits[split].append(added)
    path, _ = write(tmp_path, splits)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        check_leaks(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 0, 16, 16), (15, 15, 31, 31), True),
        ((0, 0, 16, 16), (16, 0, 32, 16), False),  # x2 is exclusive
        ((0, 0, 16, 16), (0, 16, 16, 32), False),
        ((0, 0, 16, 16), (4, 4, 8, 8), True),
        ((0, 8, 16, 24), (8, 0, 24, 16), True),
    ],
)
def test_windows_overlap_if_they_share_a_pixel(first: tuple, second: tuple, expected: bool) -> None:
    places = [("val", TileId("A", *second)), ("train", TileId("A", *first))]
    assert bool(overlapping(places)) is expected
    assert overlapping([("val", window) for _, window in places]) == []


def test_a_shard_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path, manifest = write(tmp_path, apart())
    shard = manifest.splits["val"].shards[0]
    content = (tmp_path / shard.path).read_bytes()
    (tmp_path / shard.path).write_bytes(content[:-20])
    with pytest.raises(DataError, match=f"val shard '{shard.path}' under .* cannot be read after record"):
        check_leaks(path)
    (tmp_path / shard.path).unlink()
    with pytest.raises(DataError, match=f"val shard '{shard.path}' under .* cannot be read after record 0"):
        check_leaks(path)


def test_a_shard_with_other_records_than_counted_is_named(tmp_path: Path) -> None:
    _, manifest = write(tmp_path, apart())
    val = manifest.splits["val"]
    shard = msgspec.structs.replace(val.shards[0], num_tiles=3)
    splits = {**manifest.splits, "val": msgspec.structs.replace(val, shards=(shard,))}
    msgspec.structs.replace(manifest, splits=splits).write(tmp_path / "manifest")
    with pytest.raises(DataError, match="has 2 records, expected 3"):
        check_leaks(str(tmp_path / "manifest"), str(tmp_path))


def test_the_command_exits_with_42_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = apart()
    splits["val"].append(record(7, "A_100-0-116-16"))
    path, _ = write(tmp_path, splits)
    monkeypatch.setattr("sys.argv", ["agrivision", "verify", "--leaks", path])
    with pytest.raises(SystemExit, match=r"^42$"):
        main()
    error = capsys.readouterr().err
    assert "e.g. A in train (A_0-0-16-16) and val (A_100-0-116-16)" in error
    assert len(error.splitlines()) == 1
