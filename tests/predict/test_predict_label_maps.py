"""Label maps: a PNG a tile, of the numbers that the challenges take, in a folder that holds nothing else."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from colour_model import colour_dataset, colour_training, put_in_production
from command_here import agrivision_here
from models_here import run_models_here
from PIL import Image
from tile_shards import CLASSES, fake_record

from components.errors import SettingsError
from components.evaluate.evaluation import evaluate_training
from components.predict.asking import PlacesAnswer, TileAnswer, answers
from components.predict.label_maps import LEGEND, LabelMaps, label_map, label_map_name, require_own_names
from components.predict.pushed_model import find_model
from components.predict.tile_files import asked_tiles
from components.progress import StepLog
from components.records.mask_png import encode_mask, packed_mask
from components.scoring.dense.pixel_classes import pixel_classes

pytestmark = pytest.mark.usefixtures("models_here")
NUMBERS = (2001, 2002, 2004)


@pytest.fixture(scope="module")
def dense_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dense")
    manifest = colour_dataset(root, 8, 12, label_masks=True)
    receipt = colour_training(root, manifest, dense=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_models_here(monkeypatch)
        place, nothing = str(root), str(root / "n")
        evaluation = evaluate_training(place, nothing, manifest, receipt, root / "r.html", StepLog("x")).evaluation
    put_in_production(root, receipt, evaluation, str(root / "models"))
    return root / "models"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiles")
    for number in NUMBERS:
        record = fake_record(number)
        for folder, content in (("rgb", record.rgb), ("nir", record.nir), ("mask", record.valid_mask)):
            (root / folder).mkdir(exist_ok=True)
            if content:
                ending = "png" if folder == "mask" else "jpg"
                (root / folder / f"F_{number}-0-{number + 48}-48.{ending}").write_bytes(content)
    return root


def values_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        return np.array(image)


def test_every_tile_gets_a_map_of_its_own_size(dense_models, tiles, tmp_path):
    result = agrivision_here("predict", dense_models, tiles, "--label-maps", tmp_path / "maps", "--csv", "-")
    assert result.returncode == 0
    model = find_model(str(dense_models))
    names = [f"F_{number}-0-{number + 48}-48" for number in NUMBERS]
    assert sorted(os.listdir(tmp_path / "maps")) == sorted([*(f"{name}.png" for name in names), LEGEND])
    legend = json.loads((tmp_path / "maps" / LEGEND).read_text())
    assert legend["values"] == {"0": "background", **{str(c + 1): name for c, name in enumerate(CLASSES)}}
    assert legend["model"] == model.card.version
    served = tf.saved_model.load(model.uri).signatures["dense"]
    for name, number in zip(names, NUMBERS, strict=True):
        record = fake_record(number)
        images = {key: tf.constant([getattr(record, key)]) for key in ("rgb", "nir", "valid_mask")}
        maps = served(**images)["maps"].numpy()[0].astype(np.float64)
        expected = pixel_classes(np.log(maps / (1 - maps)).astype(np.float32), model.card.dense.thresholds, 48, 48)
        if record.valid_mask:
            bits, width = packed_mask(record.valid_mask)
            expected *= np.unpackbits(bits, axis=1, count=width)
        found = values_of(tmp_path / "maps" / f"{name}.png")
        assert found.shape == (48, 48)
        assert (found != expected).mean() < 0.002, "but for pixels on the edge, which rounding decides"
        assert set(np.unique(found)) - {0} <= {c + 1 for c, has in enumerate(record.labels) if has}


def test_the_answers_for_tiles_are_those_without_maps(dense_models, tiles, tmp_path):
    with_maps = agrivision_here("predict", dense_models, tiles, "--label-maps", tmp_path / "maps", "--csv", "-")
    assert with_maps.stdout == agrivision_here("predict", dense_models, tiles, "--csv", "-").stdout


def test_a_second_run_writes_the_same_bytes(dense_models, tiles, tmp_path):
    contents = []
    for _ in range(2):
        assert agrivision_here("predict", dense_models, tiles, "--label-maps", tmp_path / "maps").returncode == 0
        contents.append({path.name: path.read_bytes() for path in (tmp_path / "maps").iterdir()})
    assert contents[0] == contents[1]


def test_a_folder_of_anything_else_is_not_written_to(dense_models, tiles, tmp_path):
    before = sorted(path.stat().st_mtime_ns for path in tiles.rglob("*"))
    result = agrivision_here("predict", dense_models, tiles, "--label-maps", tiles / "mask")
    assert result.returncode == 2
    assert ".png', and no label-maps.json; give an empty folder, or one of an earlier run" in result.stderr
    assert sorted(path.stat().st_mtime_ns for path in tiles.rglob("*")) == before
    (tmp_path / LEGEND).write_text("{}")
    result = agrivision_here("predict", dense_models, tiles, "--label-maps", tmp_path)
    assert result.returncode == 2
    assert "holds label maps of another model than" in result.stderr


def test_a_model_without_maps_is_refused_before_it_is_asked(pushed, tiles, tmp_path):
    result = agrivision_here("predict", pushed.rgb_nir, tiles, "--label-maps", tmp_path / "maps")
    assert result.returncode == 2
    assert "answers for tiles and has no maps of places that were judged" in result.stderr
    assert not (tmp_path / "maps").exists()


def test_a_bad_tile_is_told_apart_and_the_others_get_maps(dense_models, tiles, tmp_path):
    for folder in ("rgb", "nir"):
        (tmp_path / folder).mkdir()
        for path in (tiles / folder).iterdir():
            (tmp_path / folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "rgb" / "F_2002-0-2050-48.jpg").write_bytes(b"no image")
    result = agrivision_here("predict", dense_models, tmp_path, "--label-maps", tmp_path / "maps", "--csv", "-")
    assert result.returncode == 0
    assert sorted(os.listdir(tmp_path / "maps")) == ["F_2001-0-2049-48.png", "F_2004-0-2052-48.png", LEGEND]


@pytest.mark.parametrize(
    ("tile", "name"),
    [
        ("F_0-0-512-512", "F_0-0-512-512.png"),
        ("a.JPG", "a.png"),
        ("a.b", "a.b.png"),
        ("/data/x.jpeg", "data/x.png"),
        ("../../etc/x.png", "etc/x.png"),
        ("./a/../b.jpg", "a/b.png"),
    ],
)
def test_a_label_map_lies_below_its_folder(tile, name):
    assert label_map_name(tile) == name


def test_images_whose_maps_would_have_one_name_are_refused():
    require_own_names(["a/x.jpg", "b/x.jpg", "x.jpg"])
    with pytest.raises(SettingsError, match=r"the label maps of 'a/x.jpg' and '../a/x.png' would have one name"):
        require_own_names(["a/x.jpg", "../a/x.png"])


def test_a_tile_whose_name_is_none_for_a_file_is_a_problem(dense_models, tmp_path):
    maps = LabelMaps(str(tmp_path / "maps"), find_model(str(dense_models)))
    places = PlacesAnswer(np.full((2, 2, 3), 0.9, np.float32), 4, 4, b"")
    answer = maps.add(TileAnswer("a\x1b[2J", (), places=places))
    assert answer.problem == r"no label map: the name 'a\x1b[2J.png' has the control character U+001B"
    assert os.listdir(tmp_path / "maps") == [LEGEND]
    assert maps.add(TileAnswer("b", problem="gone")) == TileAnswer("b", problem="gone")


def test_pixels_that_do_not_count_are_background():
    valid = np.zeros((4, 4), bool)
    valid[:2] = True
    found = label_map(PlacesAnswer(np.full((2, 2, 3), 0.9, np.float32), 4, 4, encode_mask(valid)), (0.5, 0.95, 0.95))
    assert found.tolist() == [[1] * 4] * 2 + [[0] * 4] * 2


def test_large_maps_are_asked_for_few_at_a_time(dense_models, tiles, monkeypatch):
    from components.predict import asking

    monkeypatch.setattr(asking, "tiles_with_maps", lambda size_px, num_classes: 1)
    batches = []
    ask = asking._ask
    monkeypatch.setattr(asking, "_ask", lambda *given: batches.append(len(given[2])) or ask(*given))
    with asked_tiles([str(tiles)], {}, lambda text: None) as asked:
        found = list(answers(find_model(str(dense_models)), asked.tiles, with_maps=True))
    assert batches == [1, 1, 1]
    assert all(answer.places is not None for answer in found)
