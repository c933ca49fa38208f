import re
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sharded import shard_and_merge
from small_source import CLASSES, encoded, noise, plan, write_file, write_source

from components.agrivision import CLASS_FOLDERS, RGB_BANDS, SPLITS
from components.contracts import SourceTile
from components.errors import DataError
from components.merge.report.contact_sheet import choose_class_examples, ndvi
from components.progress import StepLog


def captions(page: str) -> list[str]:
    return re.findall("<figcaption>(.*?)</figcaption>", page)


def test_the_page_is_complete_and_small(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    broken = write_file(tmp_path / "source", tiles[1].rgb.path, b"<b>not a picture</b>")
    tiles[1] = msgspec.structs.replace(tiles[1], tile_id="<b>1</b>", rgb=broken)
    shard_and_merge(plan(tmp_path / "source", tmp_path, tiles), tmp_path, tmp_path)
    page = (tmp_path / "report.html").read_text().replace("<wbr>", "")
    assert len(page) < 3e6
    assert "Data report: 19 tiles, challenge-2020" in page
    assert "<td>weed_cluster</td><td>5</td><td>2</td><td>2</td><td>9</td>" in page
    assert "Imbalance in train: 2.2 : 1, drydown to weed_cluster." in page
    # All tiles of the nine with weeds have drydown too; each class itself is a dot.
    assert re.search("<tr><td>drydown</td><td[^>]*>·</td><td[^>]*>9</td></tr>", page)
    assert "<td>weed_cluster</td><td>3</td><td>2</td><td>2</td>" in page  # fields that have it
    assert "rgb: not a readable JPEG, PNG, TIFF or WebP file" in page
    assert "<b>1</b>" not in page
    per_tile = ["RGB", "NIR", "NDVI", "labels", "boundary"]  # the masks are all white
    maps = ["RGB", "labels"] * 2  # a field of train and one of test
    # Two tiles of drydown; in the first shard, only one field is left that has weed_cluster.
    assert captions(page)[1:] == maps + per_tile * 3
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_it_can_be_made_when_the_source_is_gone(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source")
    path = plan(tmp_path / "source", tmp_path, tiles)
    shard_and_merge(path, tmp_path, tmp_path)
    shutil.rmtree(tmp_path / "source")
    shard_and_merge(path, tmp_path, tmp_path)
    assert "boundary" not in captions((tmp_path / "report.html").read_text())


def plan_class_folders(tmp_path: Path, classes: tuple[str, ...]) -> Path:
    tiles = [
        SourceTile(
            tile_id=f"{split}/{name}/{number}", field_id=f"{split}/{name}/{number}", split=split, shard=0,
            rgb=write_file(
                tmp_path / "source", f"{split}/{name}/{number}.jpg",
                encoded(noise(100 * SPLITS.index(split) + 10 * classes.index(name) + number, 3), "JPEG"),
            ),
            classes=(name,),
        )
        for split in SPLITS
        for name in classes
        for number in range(3)
    ]  # fmt: skip
    return plan(tmp_path / "source", tmp_path, tiles, classes=classes, bands=RGB_BANDS, layout=CLASS_FOLDERS)


@pytest.mark.hostile
def test_a_class_that_looks_like_mathematics_or_markup_is_only_a_name(tmp_path: Path) -> None:
    classes = ("<b>", "[red]soy", "co${rn$")
    shard_and_merge(plan_class_folders(tmp_path, classes), tmp_path, tmp_path)
    page = (tmp_path / "report.html").read_text()
    for name in ("&lt;b&gt;", "[red]soy", "co${rn$"):
        assert f"<td>{name}</td>" in page
    assert "\u202e" not in page


def test_rgb_only_datasets_have_neither_nir_nor_masks(tmp_path: Path) -> None:
    shard_and_merge(plan_class_folders(tmp_path, ("ant", "bee")), tmp_path, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert captions(page)[1:] == ["ant", "ant", "bee", "bee"]
    assert "train pixels" not in page
    assert "share a tile" not in page


def test_class_folders_hold_images_and_no_fields(tmp_path: Path) -> None:
    log = StepLog("merge")
    shard_and_merge(plan_class_folders(tmp_path, ("ant", "bee")), tmp_path, tmp_path, log)
    page = (tmp_path / "report.html").read_text()
    text = re.sub('<style>.*?</style>|data:[^"]*', "", page, flags=re.DOTALL)
    assert "Data report: 18 images, class-folders" in text
    assert re.findall(".{,30}(?:[Tt]ile|[Ff]ield).{,9}", text) == []
    assert log.summary.startswith("wrote 18 images to 3 shards (")


@pytest.mark.parametrize("name", ["قمح", "土壤", "गेहूं", "חיטה"])
def test_a_name_in_any_script_is_text_of_the_page_and_not_of_a_figure(tmp_path: Path, name: str) -> None:
    shard_and_merge(plan_class_folders(tmp_path, ("ant", name)), tmp_path, tmp_path)
    page = (tmp_path / "report.html").read_text()
    shown = f"<bdi>{name}</bdi>" if name in ("قمح", "חיטה") else name
    assert f"<td>{shown}</td>" in page  # in the table
    assert f"<th>{shown}</th>" in page  # beside its bar
    assert page.count("image/svg+xml") == 1  # the histogram, which has no names


def test_tiles_without_a_class_are_counted_by_themselves(tmp_path: Path) -> None:
    tiles = [msgspec.structs.replace(tile, labels={}) if number % 5 == 0 else tile
             for number, tile in enumerate(write_source(tmp_path / "source"))]  # fmt: skip
    shard_and_merge(plan(tmp_path / "source", tmp_path, tiles), tmp_path, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<td>no class</td><td>3</td><td>1</td><td>0</td><td>4</td>" in page
    assert re.search(r"\d+ tiles \([\d.]+%\) have several classes, and 4 \(20.0%\) have none", page)


def test_equal_classes_are_no_imbalance(tmp_path: Path) -> None:
    shard_and_merge(plan_class_folders(tmp_path, ("ant", "bee")), tmp_path, tmp_path)
    assert "Imbalance" not in (tmp_path / "report.html").read_text()


def test_the_examples_show_most_of_the_class_and_come_from_two_fields(tmp_path: Path) -> None:
    tiles = write_source(tmp_path / "source", tiles_per_shard=12)  # train fields: tiles 0-2, 3-5, 6-8, 9-11
    manifest = shard_and_merge(plan(tmp_path / "source", tmp_path, tiles), tmp_path, tmp_path)
    shard = manifest.splits["train"].shards[0].path
    examples = choose_class_examples(CLASSES, dict.fromkeys(CLASSES, shard), str(tmp_path))
    # drydown grows with the tile's number, and tiles 9 and 6 have it in a smaller valid area: 29/43 against 31/64.
    assert [example.tile_id for example in examples["drydown"]] == [tiles[9].tile_id, tiles[6].tile_id]
    assert examples["drydown"][0].fractions == {
        "drydown": pytest.approx(29 * 32 / (43 * 64)),
        "weed_cluster": pytest.approx(32 * 16 / (43 * 64)),
    }


def test_ndvi_is_red_over_soil_and_green_over_crops() -> None:
    rgb = np.zeros((1, 3, 3), np.uint8)
    rgb[0, :, 0] = [150, 50, 0]
    soil, crop, dark = ndvi(rgb, np.array([[50, 150, 0]], np.uint8))[0].astype(int)
    assert soil[0] > 2 * soil[1]
    assert crop[1] > 2 * crop[0]
    assert dark.tolist() == ndvi(np.full((1, 1, 3), 80, np.uint8), np.full((1, 1), 80, np.uint8))[0, 0].tolist()


def test_the_comparison_is_in_the_report_and_not_in_the_manifest(tmp_path: Path) -> None:
    path = plan(tmp_path / "source", tmp_path, write_source(tmp_path / "source"))
    alone = shard_and_merge(path, tmp_path, tmp_path)
    assert "earlier dataset" not in (tmp_path / "report.html").read_text()
    log = StepLog("merge")
    reference = str(tmp_path / "datasets" / alone.sha256[:16] / "manifest.json")
    assert shard_and_merge(path, tmp_path, tmp_path, log, reference) == alone
    page = (tmp_path / "report.html").read_text()
    # Eight fields against eight are too few, and the report says so rather than that all is well.
    assert "<p>No shift; too few fields to tell: 8 against 8, need at least 10 each.</p>" in page
    with pytest.raises(DataError, match=r"no manifest at '.*/nowhere.json'; expected <data_root>/datasets/"):
        shard_and_merge(path, tmp_path, tmp_path, log, str(tmp_path / "nowhere.json"))
