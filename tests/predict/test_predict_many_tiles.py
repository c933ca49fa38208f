"""Many tiles: found as ingest finds them, answered in batches, bad ones told apart; as text, CSV and JSON lines."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_here import agrivision_here
from tiff_files import tiff
from tile_shards import BANDS, encode, fake_record

from components.errors import DataError
from components.predict import asking
from components.predict.asking import answers
from components.predict.pushed_model import find_model
from components.predict.tile_files import TileFiles, asked_tiles
from components.saved_model.asking import AskedModel, CannotAnswer

pytestmark = pytest.mark.usefixtures("models_here")

# Folders in which t1 and t2 are good tiles, by the layout they make: of RGB, and of NIR if there is one.
LAYOUTS = {
    "rgb and nir": ("rgb", "nir"),
    "upper case": ("RGB", "NIR"),
    "a part of a release": ("images/rgb", "images/nir"),
    "the paper's release": ("data2017_miniscale/field_images/rgb", "data2017_miniscale/field_images/nir"),
    "a challenge's release": ("test/images/rgb", "test/images/nir"),
    "images alone": ("", None),
    "class folders": ("water", None),
    "class folders of a split": ("train/water", None),
}


def write(root: Path, **files: bytes) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def tile_folder(root: Path, rgb: str = "rgb", nir: str | None = "nir", **more: bytes) -> Path:
    """Writes t1 and t2, and more."""
    for number in (1, 2):
        record = fake_record(2000 + number)
        write(root, **{f"{rgb}/t{number}.jpg".lstrip("/"): record.rgb})
        if nir:
            write(root, **{f"{nir}/t{number}.jpg": record.nir})
    return write(root, **more)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def found_of(text: str) -> dict[str, str]:
    return {row["tile"]: row["found"] for row in rows(text)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_is_answered_in_every_layout(pushed, tmp_path: Path, layout: str) -> None:
    rgb, nir = LAYOUTS[layout]
    label = fake_record(1).valid_mask
    tile_folder(tmp_path / "tiles", rgb, nir, **({} if nir is None else {f"{nir}/../labels/water/t1.png": label}))

    result = agrivision_here("predict", pushed.rgb_nir if nir else pushed.rgb_only, tmp_path / "tiles", "--csv", "-")

    assert result.returncode == 0, result.stderr
    assert list(found_of(result.stdout)) == ["t1", "t2"]
    if nir:
        assert found_of(result.stdout) == {"t1": "water; weed_cluster", "t2": "weed_cluster; drydown"}


def test_folders_may_be_given_for_each_role(pushed, tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path)

    result = agrivision_here("predict", pushed.rgb_nir, "--rgb", tiles / "rgb", "--nir", tiles / "nir", "--csv", "-")

    assert found_of(result.stdout) == {"t1": "water; weed_cluster", "t2": "weed_cluster; drydown"}


def test_options_given_several_times_belong_together_in_their_order(pushed, tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path)
    options = [
        part for number in (2, 1) for role in ("rgb", "nir") for part in (f"--{role}", tiles / f"{role}/t{number}.jpg")
    ]

    result = agrivision_here("predict", pushed.rgb_nir, *options)

    assert [line.rpartition("/")[2] for line in result.stdout.splitlines()] == [
        f"t2.jpg: {result.stdout.splitlines()[0].partition(': ')[2]}",
        f"t1.jpg: {result.stdout.splitlines()[1].partition(': ')[2]}",
    ]
    assert re.search(r"weed_cluster 0\.9\d\d \(threshold 0\.", result.stdout)


def test_a_mask_beside_the_images_counts(pushed, tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path, **{"masks/t1.png": fake_record(2002).valid_mask})

    (first, second) = rows(agrivision_here("predict", pushed.rgb_nir, tiles, "--csv", "-").stdout)

    assert first["problem"] == second["problem"] == ""
    with asked_tiles([str(tiles)], {}, print) as asked:
        assert [sorted(tile.files) for tile in asked.tiles] == [["mask", "nir", "rgb"], ["nir", "rgb"]]


def test_a_tiff_of_four_bands_is_answered_as_its_bands_in_two_files(pushed, tmp_path: Path) -> None:
    bands = np.random.default_rng(5).integers(0, 256, (64, 64, 4), np.uint8)
    folders = {
        "apart": {"rgb/t.png": encode(bands[..., :3], "PNG"), "nir/t.png": encode(bands[..., 3], "PNG")},
        "together": {"t.tif": tiff(bands)},
    }
    for name, files in folders.items():
        write(tmp_path / name, **files)

    apart, together = (
        rows(agrivision_here("predict", pushed.rgb_nir, tmp_path / name, "--csv", "-").stdout) for name in folders
    )

    assert [row["problem"] for row in apart] == [""]
    assert together == apart
    alone = agrivision_here("predict", pushed.rgb_nir, "--rgb", tmp_path / "together" / "t.tif", "--csv", "-").stdout
    assert rows(alone)[0]["weed_cluster_probability"] == apart[0]["weed_cluster_probability"]


def test_equal_names_in_several_folders_are_told_apart(pushed, tmp_path: Path) -> None:
    first, second = (
        tile_folder(tmp_path / name, "water", None, **{"drydown/t1.jpg": fake_record(3).rgb}) for name in "ab"
    )

    result = agrivision_here("predict", pushed.rgb_only, first, second, "--csv", "-")

    names = [f"{folder}/{name}" for folder in (first, second) for name in ("drydown/t1", "water/t1", "t2")]
    assert list(found_of(result.stdout)) == names


BAD = {"rgb/bad.jpg": b"no image", "nir/bad.jpg": b"no image", "rgb/lonely.jpg": fake_record(1).rgb}


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 42)])
def test_bad_tiles_are_named_and_counted_and_the_others_answered(
    pushed, tmp_path: Path, options: list[str], code: int
) -> None:
    tiles = tile_folder(tmp_path / "tiles", **BAD, **{"nir/alone.jpg": fake_record(1).nir})

    result = agrivision_here("predict", pushed.rgb_nir, tiles, "--csv", tmp_path / "out.csv", *options)

    assert result.returncode == code
    assert "answered 2 of 5 tiles; 3 could not be answered, first 'alone': rgb: no such file" in result.stderr
    table = {row["tile"]: row["problem"] for row in rows((tmp_path / "out.csv").read_text("utf-8-sig"))}
    assert table == {
        "alone": f"rgb: no such file, but there is '{tiles}/nir/alone.jpg'",
        "bad": f"rgb '{tiles}/rgb/bad.jpg': not a readable JPEG, PNG, TIFF or WebP file",
        "lonely": "nir: no such file",
        "t1": "",
        "t2": "",
    }


def test_if_no_tile_can_be_answered_the_exit_code_says_so(pushed, tmp_path: Path) -> None:
    result = agrivision_here("predict", pushed.rgb_nir, write(tmp_path, **BAD))

    assert result.returncode == 42
    assert "agrivision: answered 0 of 2 tiles; 2 could not be answered, first 'bad': rgb " in result.stderr
    assert result.stdout.splitlines()[1] == "lonely: not answered: nir: no such file"


@pytest.mark.parametrize("name", ["", "nir", "labels"])
def test_a_folder_without_tiles_is_refused(pushed, tmp_path: Path, name: str) -> None:
    if name:
        write(tmp_path, **{f"{name}/t1.png": fake_record(1).nir})

    result = agrivision_here("predict", pushed.rgb_nir, tmp_path)

    assert (result.returncode, result.stdout) == (42, "")
    assert "no RGB image in the folder" in result.stderr


def test_json_lines_hold_every_class_of_every_tile(pushed, tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path, **BAD)

    result = agrivision_here("predict", pushed.rgb_nir, tiles, "--json")

    lines = {line["tile"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert list(lines) == ["bad", "lonely", "t1", "t2"]
    assert lines["lonely"] == {"tile": "lonely", "problem": "nir: no such file", "classes": [], "model": pushed.version}
    assert [(each["class"], each["answer"]) for each in lines["t1"]["classes"]] == [
        ("water", "yes"),
        ("weed_cluster", "yes"),
        ("drydown", "no"),
    ]
    for each in lines["t1"]["classes"]:
        assert (each["probability"] >= each["threshold"]) == (each["answer"] == "yes")


def test_a_model_of_one_class_a_tile_has_no_thresholds(pushed, tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path, "", None)

    result = agrivision_here("predict", pushed.rgb_only, tiles, "--json")

    for line in map(json.loads, result.stdout.splitlines()):
        assert [each["answer"] for each in line["classes"]].count("yes") == 1
        assert {each["threshold"] for each in line["classes"]} == {None}


def test_a_csv_appears_when_it_is_whole_and_replaces_the_one_before(
    pushed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles, out = tile_folder(tmp_path / "tiles"), tmp_path / "out.csv"
    out.write_text("before")
    with monkeypatch.context() as broken:

        def fails(*_: object) -> None:
            raise DataError("the model breaks down")

        broken.setattr(AskedModel, "ask", fails)
        assert agrivision_here("predict", pushed.rgb_nir, tiles, "--csv", out).returncode == 42
    assert out.read_text() == "before"

    result = agrivision_here("predict", pushed.rgb_nir, tiles, "--csv", out)

    assert result.stdout == f"wrote 2 rows to {out}\n"
    assert list(found_of(out.read_text("utf-8-sig"))) == ["t1", "t2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "tiles"]


def test_a_tile_that_the_model_refuses_costs_no_other_its_answer(
    pushed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = tile_folder(tmp_path)
    refused, ask = fake_record(2001).rgb, AskedModel.ask

    def refuses(self: AskedModel, function: str, images):
        if refused in images["rgb"]:
            raise CannotAnswer("InvalidArgumentError: too dark")
        return ask(self, function, images)

    monkeypatch.setattr(AskedModel, "ask", refuses)
    with asked_tiles([str(tiles)], {}, print) as asked:
        first, second = answers(find_model(str(pushed.rgb_nir)), asked.tiles)

    assert first.problem == f"model {pushed.version} cannot answer it: InvalidArgumentError: too dark"
    assert [each.answer for each in second.classes] == ["no", "yes", "yes"]


def test_ten_thousand_tiles_are_asked_in_batches_and_never_held_all_at_once(
    pushed, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asked_tiles([], {"rgb": [str(odd / "rgb.jpg")], "nir": [str(odd / "nir.jpg")]}, print) as asked:
        (one,) = asked.tiles
    num_taken = 0

    def many() -> Iterator[TileFiles]:
        nonlocal num_taken
        for number in range(10_000):
            num_taken += 1
            yield TileFiles(str(number), one.files)

    sizes = []

    def replies(_asked, _model, records, _with_maps):
        sizes.append(len(records))
        return [((), None)] * len(records)

    record = asking.checked_record(one, asking.checks_of(BANDS))
    monkeypatch.setattr(asking, "checked_record", lambda *_: record)
    monkeypatch.setattr(asking, "_ask", replies)
    most_ahead = 0
    for number, answer in enumerate(answers(find_model(str(pushed.rgb_nir)), many())):
        assert answer.tile == str(number)
        most_ahead = max(most_ahead, num_taken - number)

    assert (num_taken, set(sizes)) == (10_000, {32, 10_000 % 32})
    assert most_ahead < 200


def test_a_name_twice_in_two_formats_is_remarked(tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path, **{"rgb/t1.png": b""})
    said: list[str] = []

    with asked_tiles([str(tiles)], {}, said.append) as asked:
        assert [tile.files["rgb"].path for tile in asked.tiles] == [f"{tiles}/rgb/t{number}.jpg" for number in (1, 2)]
    assert said == [f"left out '{tiles}/rgb/t1.png': another rgb image has its name, '{tiles}/rgb/t1.jpg'"]


def test_a_link_out_of_the_folder_is_refused_as_in_a_source(pushed, odd: Path, tmp_path: Path) -> None:
    tile_folder(tmp_path)
    (tmp_path / "rgb/out.jpg").symlink_to(odd / "rgb.jpg")

    result = agrivision_here("predict", pushed.rgb_nir, tmp_path)

    assert result.returncode == 42
    assert "leads out of that folder" in result.stderr


def test_copies_of_one_folder_are_refused_by_their_place(pushed, tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path / "tiles")
    (tmp_path / "link").symlink_to(tiles)

    result = agrivision_here("predict", pushed.rgb_nir, tiles, tmp_path / "link")

    assert result.returncode == 2
    assert "is given twice" in result.stderr


def test_a_tile_of_any_name_is_answered(pushed, odd: Path, tmp_path: Path) -> None:
    names = ["=1+1.jpg", "e\x1b[2J[bold].jpg", "caf\udce9.jpg", 'a b,c;d".jpg']
    for name in names:
        (tmp_path / name).write_bytes((odd / "rgb.jpg").read_bytes())

    result = agrivision_here("predict", pushed.rgb_only, *(tmp_path / name for name in names), "--csv", "-")

    assert (result.returncode, result.stderr) == (0, "")
    assert [tile.rpartition("/")[2] for tile in found_of(result.stdout)] == [
        *("=1+1.jpg", "e\\x1b[2J[bold].jpg", "caf\\udce9.jpg", 'a b,c;d".jpg'),
    ]
