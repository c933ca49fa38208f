"""Tiles of a folder become maps of their fields, each in its place and with the answers of `agrivision predict`."""

from pathlib import Path

import numpy as np
import pytest
from map_rasters import scene
from tile_shards import encode, fake_record

from components.errors import DataError, SettingsError
from components.maps.score import score_share, score_source
from components.maps.settings import ScoreSettings
from components.maps.work_folder import open_map
from components.predict.asking import answers
from components.predict.pushed_model import find_model
from components.predict.tile_files import asked_tiles
from components.progress import StepLog

pytestmark = pytest.mark.usefixtures("models_here")
LOG = StepLog("score")


def write_tile(root: Path, name: str, bands: np.ndarray, mask: np.ndarray | None = None) -> None:
    """Writes bands [4, h, w] as a tile of a challenge's release."""
    files = {
        f"val/images/rgb/{name}.jpg": encode(np.ascontiguousarray(bands[:3].transpose(1, 2, 0))),
        f"val/images/nir/{name}.jpg": encode(bands[3]),
        f"val/boundaries/{name}.png": encode(np.full(bands.shape[1:], 255, np.uint8), "PNG"),
        f"val/masks/{name}.png": encode(np.full(bands.shape[1:], 255, np.uint8) if mask is None else mask, "PNG"),
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def write_field(root: Path, field: str, places: list[tuple[int, int]], seed: int, side: int = 64) -> np.ndarray:
    """Writes tiles of one scene at the places (x, y); returns the scene."""
    whole = scene(400, 400, seed, patch_px=40)
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    for x, y in places:
        name = f"{field}_{x}-{y}-{x + side}-{y + side}"
        write_tile(root, name, whole[:, y - top : y - top + side, x - left : x - left + side])
    return whole


def maps_of(target: Path):
    readers = [open_map(str(path.parent)) for path in target.glob("_work/*/map.json")]
    return {reader.grid.name: reader for reader in readers}


def whole_map(reader):
    strips = list(reader.strips())
    return np.concatenate([s.probabilities for s in strips]), np.concatenate([s.valid for s in strips])


def predicted(source: Path, models_uri: str) -> dict[str, list[float]]:
    with asked_tiles([str(source)], {}, print) as asked:
        found = list(answers(find_model(models_uri), asked.tiles))
    return {each.tile: [answer.probability for answer in each.classes] for each in found}


def test_tiles_side_by_side_have_the_answers_of_predict_in_their_places(tmp_path, models_uri):
    places = [(1_000 + 64 * x, 2_000 + 64 * y) for y in range(3) for x in range(4) if (x, y) != (2, 1)]
    write_field(tmp_path / "tiles", "FIELDA", places, 1)
    write_field(tmp_path / "tiles", "FIELDB", [(0, 0)], 2)
    files = score_source(str(tmp_path / "tiles"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    readers = maps_of(tmp_path / "to")
    assert sorted(readers) == ["FIELDA", "FIELDB"]
    assert {Path(file).parent.name for file in files} == {"FIELDA", "FIELDB"}
    grid = readers["FIELDA"].grid
    assert (grid.height_px, grid.width_px, grid.origin_px, grid.cell_px) == (192, 256, (1_000, 2_000), 8)
    assert (grid.transform, grid.num_windows, grid.num_asked, grid.num_left_out) == (None, 11, 11, 0)
    values, valid = whole_map(readers["FIELDA"])
    expected = predicted(tmp_path / "tiles", models_uri)
    for x, y in places:
        at = slice((y - 2_000) // 8, (y - 2_000) // 8 + 8), slice((x - 1_000) // 8, (x - 1_000) // 8 + 8)
        of_tile = np.array(expected[f"FIELDA_{x}-{y}-{x + 64}-{y + 64}"], np.float32)
        # The last bit may differ with the place in a batch.
        np.testing.assert_allclose(values[at], np.broadcast_to(of_tile, (8, 8, 3)), rtol=0, atol=1e-6)
    hole = slice(8, 16), slice(16, 24)
    assert valid.sum() == 11 * 64
    assert not valid[hole].any()


def test_a_tile_alone_has_exactly_the_answer_of_predict(tmp_path, models_uri):
    write_field(tmp_path / "tiles", "FIELDB", [(7, 9)], 2)
    score_source(str(tmp_path / "tiles"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    values, _ = whole_map(maps_of(tmp_path / "to")["FIELDB"])
    (expected,) = predicted(tmp_path / "tiles", models_uri).values()
    np.testing.assert_array_equal(values, np.broadcast_to(np.float32(expected), (8, 8, 3)))


def test_tiles_that_overlap_are_blended_and_lie_anywhere(tmp_path, models_uri):
    write_field(tmp_path / "tiles", "F", [(10, 20), (37, 25), (41, 60)], 3)
    score_source(str(tmp_path / "tiles"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    reader = maps_of(tmp_path / "to")["F"]
    assert (reader.grid.width_px, reader.grid.height_px) == (95, 104)
    values, valid = whole_map(reader)
    each = np.array(list(predicted(tmp_path / "tiles", models_uri).values()))
    assert (values[valid] >= each.min(axis=0) - 1e-6).all()
    assert (values[valid] <= each.max(axis=0) + 1e-6).all()
    assert reader.quicklook.rgb.shape == (104, 95, 3)


def test_masks_count_and_bad_tiles_are_left_out_and_said(tmp_path, models_uri, capsys):
    root = tmp_path / "tiles"
    write_field(root, "F", [(0, 0), (64, 0), (128, 0), (192, 0)], 1)
    mask = np.full((64, 64), 255, np.uint8)
    mask[:, :16] = 0
    write_tile(root, "F_64-0-128-64", scene(64, 64), mask)
    (root / "val/images/rgb/F_128-0-192-64.jpg").write_bytes(b"no picture")
    (root / "val/masks/F_192-0-256-64.png").write_bytes(encode(np.zeros((64, 64), np.uint8), "PNG"))
    score_source(str(root), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    reader = maps_of(tmp_path / "to")["F"]
    _, valid = whole_map(reader)
    expected = np.ones((8, 32), bool)
    expected[:, 8:10] = expected[:, 16:] = False
    np.testing.assert_array_equal(valid, expected)
    assert (reader.grid.num_windows, reader.grid.num_asked) == (4, 2)
    assert "F: left out" in capsys.readouterr().out


def test_tiles_without_a_place_have_maps_of_their_own(tmp_path, models_uri):
    for number in (1, 2):
        record = fake_record(2_000 + number)
        for role, content in (("rgb", record.rgb), ("nir", record.nir)):
            (tmp_path / "tiles" / role).mkdir(parents=True, exist_ok=True)
            (tmp_path / "tiles" / role / f"t{number}.jpg").write_bytes(content)
    score_source(str(tmp_path / "tiles"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    readers = maps_of(tmp_path / "to")
    assert sorted(readers) == ["t1", "t2"]
    expected = predicted(tmp_path / "tiles", models_uri)
    for name, reader in readers.items():
        values, valid = whole_map(reader)
        assert (reader.grid.width_px, reader.grid.height_px, valid.all()) == (48, 48, True)
        np.testing.assert_allclose(values, np.broadcast_to(expected[name], values.shape), rtol=0, atol=1e-6)


def test_a_share_of_a_folder_is_a_share_of_each_map(tmp_path, models_uri):
    places = [(64 * x, 64 * y) for y in range(5) for x in range(10)]  # more than one part
    write_field(tmp_path / "tiles", "F", [(x, y) for x, y in places if x < 320 and y < 320], 1)
    for share in range(2):
        score_share(str(tmp_path / "tiles"), models_uri, str(tmp_path / "shared"), ScoreSettings(), LOG, share, 2)
    score_source(str(tmp_path / "tiles"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    parts = {path.name: path.read_bytes() for path in (tmp_path / "to").glob("_work/*/part-*")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "shared").glob("_work/*/part-*")} == parts


def test_options_of_rasters_and_folders_without_tiles_are_refused(tmp_path, models_uri):
    write_field(tmp_path / "tiles", "F", [(0, 0)], 1)
    with pytest.raises(SettingsError, match=r"--window-px is for a GeoTIFF, and '.*tiles' is a folder of tiles"):
        score_source(str(tmp_path / "tiles"), models_uri, str(tmp_path / "to"), ScoreSettings(window_px=64), LOG)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no RGB image in the folder"):
        score_source(str(tmp_path / "empty"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SettingsError, match=r"a.txt' is a file, but no GeoTIFF by its name"):
        score_source(str(tmp_path / "a.txt"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
    with pytest.raises(DataError, match=r"no '.*gone'; expected a GeoTIFF or a folder of tiles"):
        score_source(str(tmp_path / "gone"), models_uri, str(tmp_path / "to"), ScoreSettings(), LOG)
