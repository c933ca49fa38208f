"""What refuses a dataset, and what is said of one that is kept."""

import html
from pathlib import Path

import msgspec
import pytest
from sharded import shard_and_merge
from small_source import plan, write_file, write_source

from components.contracts import Rejection
from components.errors import DataError


def test_too_many_bad_tiles_stop_the_run_with_the_reasons(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    for index, content in ((1, b""), (2, b""), (5, b"text")):
        broken = write_file(tmp_path / "source", tiles[index].rgb.path, content)
        tiles[index] = msgspec.structs.replace(tiles[index], rgb=broken)
    unpaired = (Rejection("TRAIN9_0-0-64-64", "nir: no such file"),)
    path = plan(tmp_path / "source", tmp_path, tiles, max_bad_fraction=0.1, rejected=unpaired)
    with pytest.raises(DataError, match="4 of 21 tiles") as raised:
        shard_and_merge(path, tmp_path, tmp_path)
    assert str(raised.value) == (
        "4 of 21 tiles are bad, 19.0%, more than ingest_max_bad_fraction=0.1 allows: "
        f"2 x rgb: empty file (0 bytes) (e.g. {tiles[2].tile_id}); "
        f"1 x rgb: not a readable JPEG, PNG, TIFF or WebP file (e.g. {tiles[5].tile_id}); "
        "1 x nir: no such file (e.g. TRAIN9_0-0-64-64)"
        f"; all are listed in {str(next((tmp_path / 'lists').iterdir()))!r}"
    )
    listed = next((tmp_path / "lists").iterdir()).read_text().splitlines()
    assert listed[0] == "tile\treason"
    assert len(listed) == 1 + 4
    assert f"{tiles[1].tile_id}\trgb: empty file (0 bytes)" in listed
    assert not (tmp_path / "datasets").exists()

    manifest = shard_and_merge(
        plan(tmp_path / "source", tmp_path, tiles, max_bad_fraction=4 / 21, rejected=unpaired), tmp_path, tmp_path
    )
    assert [bad.tile_id for bad in manifest.rejected] == [
        tiles[2].tile_id, tiles[1].tile_id, tiles[5].tile_id, "TRAIN9_0-0-64-64",
    ]  # fmt: skip
    assert manifest.num_tiles == 17


def test_a_split_without_a_good_tile_is_no_dataset(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source", val=1)
    broken = write_file(tmp_path / "source", tiles[12].rgb.path, b"")
    tiles[12] = msgspec.structs.replace(tiles[12], rgb=broken)
    with pytest.raises(DataError, match=r"the val split has no good tile \(1 rejected\)"):
        shard_and_merge(plan(tmp_path / "source", tmp_path, tiles), tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"the val split has no good tile \(0 rejected\)"):
        shard_and_merge(plan(tmp_path / "source", tmp_path, tiles[:12] + tiles[13:]), tmp_path, tmp_path)


def test_what_cannot_be_learned_or_judged_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiles = write_source(tmp_path / "source", test=1)  # the test tile has drydown only
    tiles = [
        msgspec.structs.replace(tile, labels={"drydown": tile.labels["drydown"]}) if tile.split == "train" else tile
        for tile in tiles
    ]
    tiles[-1] = msgspec.structs.replace(tiles[-1], field_id="TRAIN0")
    shard_and_merge(plan(tmp_path / "source", tmp_path, tiles), tmp_path, tmp_path)
    warnings = [line.partition("warning: ")[2] for line in capsys.readouterr().out.splitlines() if "warning" in line]
    (divided,) = tmp_path.glob("lists/divided-fields-*.tsv")
    assert warnings == [
        "no train tile has weed_cluster: cannot be learned",
        "no test tile has weed_cluster: cannot be judged on test",
        f"1 field has tiles in two splits (e.g. TRAIN0): this inflates scores; all are listed in '{divided}'",
    ]
    report = html.unescape((tmp_path / "report.html").read_text().replace("<wbr>", ""))
    assert all(warning in report for warning in warnings)
