"""Maps of rasters, end to end: exact, blended, resumed, and by several at once, always the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from map_rasters import pushed_colours, scene, write_raster

from components.errors import DataError, SettingsError
from components.maps import map_model, work_folder
from components.maps.raster_file import Raster
from components.maps.score import score_share, score_source
from components.maps.settings import RegionSettings, ScoreSettings
from components.maps.work_folder import open_map
from components.predict.pushed_model import find_model
from components.progress import StepLog
from components.records.mask_png import encode_mask
from components.records.source_image import as_png
from components.registry import CARD
from components.saved_model.asking import asked_model

pytestmark = pytest.mark.usefixtures("models_here")
LOG = StepLog("score")
SMALL = {"window_px": 64}


def maps_of(target: Path):
    return [open_map(str(path.parent)) for path in sorted(target.glob("_work/*/map.json"))]


def whole(reader):
    strips = list(reader.strips())
    return np.concatenate([s.probabilities for s in strips]), np.concatenate([s.valid for s in strips])


def contents(target: Path) -> dict[str, bytes]:
    """Returns what is under a target, but for locks."""
    files = (path for path in target.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(target)): path.read_bytes() for path in files}


def test_without_overlap_a_cell_has_exactly_the_answer_about_its_window_as_a_tile(tmp_path, models_uri):
    bands = scene(192, 256, patch_px=40)
    nodata = np.zeros((192, 256), bool)
    nodata[:100, 200:] = nodata[150:, :20] = nodata[64:128, 64:128] = True
    bands[:, nodata] = 0
    path = write_raster(tmp_path / "a.tif", bands, nodata=0)
    files = score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(overlap=0.0, **SMALL), LOG)
    assert {Path(file).suffix for file in files} == {".tif", ".geojson", ".html"}
    (reader,) = maps_of(tmp_path / "to")
    values, valid = whole(reader)
    grid = reader.grid
    assert (grid.rows, grid.columns, grid.cell_px, grid.num_windows, grid.num_asked) == (24, 32, 8, 12, 11)
    assert grid.nodata_px == nodata.sum()
    assert grid.thresholds == (0.5, 0.4, 0.3)
    assert grid.transform == (0.1, 0.0, 500_000.0, 0.0, -0.1, 4_600_000.0)
    assert "UTM zone 15N" in grid.crs_wkt
    model = find_model(models_uri)
    places = [(top, left) for top in (0, 64, 128) for left in (0, 64, 128, 192) if (top, left) != (64, 64)]
    expected: list[np.ndarray] = []
    with asked_model(model.uri, model.card.files, beside=(CARD,)) as asked:
        # A row at a time, as they were asked: TensorFlow's sigmoid differs in the last bit with the place in a batch.
        for row in (0, 64, 128):
            windows = [(slice(top, top + 64), slice(left, left + 64)) for top, left in places if top == row]
            images = {
                "rgb": [as_png(np.ascontiguousarray(bands[:3, *at].transpose(1, 2, 0))) for at in windows],
                "nir": [as_png(bands[3, *at][..., np.newaxis]) for at in windows],
                "valid_mask": [encode_mask(~nodata[at]) for at in windows],
            }
            expected += [*asked.probabilities("masked", images, 3)]
    for (top, left), answer in zip(places, expected, strict=True):
        cells = slice(top // 8, top // 8 + 8), slice(left // 8, left // 8 + 8)
        counts = ~nodata[top : top + 64, left : left + 64].reshape(8, 8, 8, 8).all(axis=(1, 3))
        np.testing.assert_array_equal(valid[cells], counts)
        np.testing.assert_array_equal(values[cells][counts], np.broadcast_to(answer, (counts.sum(), 3)))
    assert not valid[8:16, 8:16].any()


def test_what_runs_where_and_how_often_does_not_matter(tmp_path, models_uri):
    path = write_raster(tmp_path / "a.tif", scene(300, 401))
    settings = ScoreSettings(overlap=0.5, **SMALL)
    score_source(str(path), models_uri, str(tmp_path / "one"), settings, LOG)
    expected = contents(tmp_path / "one")
    score_source(str(path), models_uri, str(tmp_path / "one"), settings, LOG)  # again
    assert contents(tmp_path / "one") == expected
    for share in (2, 0, 1):
        score_share(str(path), models_uri, str(tmp_path / "shared"), settings, LOG, share, 3)
    parts = set(contents(tmp_path / "shared"))
    assert {name for name in expected if "part-" in name} == parts
    score_source(str(path), models_uri, str(tmp_path / "shared"), settings, LOG)
    assert contents(tmp_path / "shared") == expected


def test_a_map_that_is_finished_needs_no_model(tmp_path, models_uri, monkeypatch):
    path = write_raster(tmp_path / "a.tif", scene(100, 100))
    score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    monkeypatch.setattr(map_model, "asked_model", lambda *_, **__: pytest.fail("the model was loaded"))
    score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)


def test_a_source_that_changes_is_another_map_which_is_refused_before_the_model_is_asked(
    tmp_path, models_uri, monkeypatch
):
    path, target = write_raster(tmp_path / "a.tif", scene(100, 100)), str(tmp_path / "to")
    score_source(str(path), models_uri, target, ScoreSettings(**SMALL), LOG)
    before = contents(tmp_path / "to")
    monkeypatch.setattr(map_model, "asked_model", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(SettingsError, match=r"another map is in '.*a': .*; write to another place"):
        score_source(str(path), models_uri, target, ScoreSettings(overlap=0.25, **SMALL), LOG)
    with pytest.raises(SettingsError, match="another map is in"):
        score_source(str(path), models_uri, target, ScoreSettings(**SMALL), LOG, RegionSettings(smallest_m2=2))
    write_raster(path, scene(100, 100, seed=1))
    with pytest.raises(SettingsError, match="another map is in"):
        score_source(str(path), models_uri, target, ScoreSettings(**SMALL), LOG)
    with pytest.raises(SettingsError, match="another map is in"):
        score_share(str(path), models_uri, target, ScoreSettings(**SMALL), LOG, 0, 1)
    assert contents(tmp_path / "to") == before


def test_a_map_that_is_there_is_found_without_its_working_folder_and_however_its_source_is_written(
    tmp_path, models_uri, monkeypatch
):
    path, target = write_raster(tmp_path / "a.tif", scene(100, 100)), str(tmp_path / "to")
    files = score_source(str(path), models_uri, target, ScoreSettings(**SMALL), LOG)
    shutil.rmtree(tmp_path / "to" / "_work")
    monkeypatch.setattr(map_model, "asked_model", lambda *_, **__: pytest.fail("the model was loaded"))
    monkeypatch.chdir(tmp_path)
    assert score_source("a.tif", models_uri, target, ScoreSettings(**SMALL), LOG) == files


def test_answers_for_one_overlap_are_not_taken_for_those_of_another(tmp_path, models_uri):
    """Also where there is but one row of windows, which starts at the top with any overlap."""
    path = write_raster(tmp_path / "a.tif", scene(64, 300, patch_px=40))
    for overlap in (0.5, 0.0):
        score_share(str(path), models_uri, str(tmp_path / "both"), ScoreSettings(overlap=overlap, **SMALL), LOG, 0, 1)
    assert len(list((tmp_path / "both" / "_work").iterdir())) == 2


def test_a_source_that_changes_while_it_is_read_leaves_no_part_and_is_said(tmp_path, models_uri, monkeypatch):
    path = write_raster(tmp_path / "a.tif", scene(300, 100))
    rows = Raster.rows

    def written_to_meanwhile(self, first, parts, valid):
        rows(self, first, parts, valid)
        os.utime(path, ns=(1, 1))

    monkeypatch.setattr(Raster, "rows", written_to_meanwhile)
    with pytest.raises(DataError, match=r"a\.tif' has changed while it was read; run again when it is complete"):
        score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    assert contents(tmp_path / "to") == {}


def test_parts_that_were_tampered_with_are_noticed(tmp_path, models_uri):
    path = write_raster(tmp_path / "a.tif", scene(100, 100))
    score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    shutil.rmtree(tmp_path / "to" / "a")
    part = next((tmp_path / "to").glob("_work/*/part-000001.answers"))
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b"?")
    with pytest.raises(DataError, match=r"part-000001.answers' is not what it was when the map was finished"):
        score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    (part.parent / "map.json").unlink()
    with pytest.raises(DataError, match=r"part-000001.answers' is damaged; delete it and run the same command again"):
        score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    part.unlink()
    score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    assert part.read_bytes() == content


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"window_px": 100}, SettingsError, "--window-px must be a multiple of 8"),
        ({"bands": "rgb"}, SettingsError, "--bands must have one letter for each band"),
        ({"overlap": 0.9}, SettingsError, "overlap must be between 0 and 0.875, got 0.9"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, models_uri, changes, error, message):
    path = write_raster(tmp_path / "a.tif", scene(100, 100))
    with pytest.raises(error, match=message):
        score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**changes), LOG)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(("name", "why"), [("a\nb", "control character"), ("x" * 200, "200 bytes"), (".b", "hidden")])
def test_a_source_that_no_map_can_be_called_like_is_refused_before_the_model_is_asked(
    tmp_path, models_uri, monkeypatch, name, why
):
    monkeypatch.setattr(map_model, "asked_model", lambda *_, **__: pytest.fail("the model was loaded"))
    path = write_raster(tmp_path / f"{name}.tif", scene(100, 100))
    with pytest.raises(SettingsError, match=f"a map cannot be called .*{why}.*; rename what it is made of"):
        score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    assert not (tmp_path / "to").exists()


def test_a_raster_without_a_pixel_that_counts_has_no_map(tmp_path, models_uri, capsys):
    path = write_raster(tmp_path / "a.tif", np.zeros((4, 100, 100), np.uint8), nodata=0)
    with pytest.raises(DataError, match=r"no map could be made of '.*a.tif'"):
        score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    assert "a: no pixel counts" in capsys.readouterr().out


def test_a_model_of_an_earlier_version_is_to_be_pushed_again(tmp_path, models_uri, monkeypatch):
    path = write_raster(tmp_path / "a.tif", scene(100, 100))
    monkeypatch.setattr(map_model, "PIXELS", "pixels_of_tomorrow")
    with pytest.raises(DataError, match=r"no signature 'pixels_of_tomorrow', because an earlier .* pushes the model"):
        score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)


def test_an_rgb_model_takes_a_raster_of_three_bands(tmp_path):
    models, _ = pushed_colours(tmp_path, "single_label", ("red", "green", "blue"))
    path = write_raster(tmp_path / "a.tif", scene(100, 100)[:3])
    score_source(str(path), models, str(tmp_path / "to"), ScoreSettings(**SMALL), LOG)
    (reader,) = maps_of(tmp_path / "to")
    assert reader.grid.thresholds is None
    assert reader.quicklook.ndvi is None
    np.testing.assert_allclose(whole(reader)[0].sum(axis=-1), 1, atol=1e-5)


def test_the_preview_has_pixels_of_the_source(tmp_path, models_uri, monkeypatch):
    bands = scene(3_000, 1_100)
    bands[:, :500] = 0
    path = write_raster(tmp_path / "a.tif", bands, nodata=0)
    score_source(str(path), models_uri, str(tmp_path / "to"), ScoreSettings(window_px=512), LOG)
    (reader,) = maps_of(tmp_path / "to")
    preview = reader.quicklook
    assert preview.rgb.shape == (1_000, 367, 3)  # one pixel out of three
    np.testing.assert_array_equal(preview.valid, (bands[:, 1::3, 1::3] > 0).any(axis=0))
    np.testing.assert_array_equal(preview.rgb, bands[:3, 1::3, 1::3].transpose(1, 2, 0))
    red, nir = (bands[band, 1::3, 1::3].astype(float) for band in (0, 3))
    np.testing.assert_allclose(preview.ndvi, (nir - red) / np.maximum(nir + red, 1), atol=1e-6)


COMMAND = "from pipeline.cli import main; main()"


@pytest.mark.long
def test_a_run_that_is_killed_anywhere_goes_on_to_the_same_bytes(tmp_path, models_uri):
    path = write_raster(tmp_path / "a.tif", scene(1_500, 600))
    arguments = ["score", str(path), "--model", models_uri, "--window-px", "64", "--to"]

    def start(target):
        command = [sys.executable, "-c", COMMAND, *arguments, str(target)]
        return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    whole_run = start(tmp_path / "whole")
    output, _ = whole_run.communicate(timeout=300)
    assert whole_run.returncode == 0, output
    for number in range(4):
        run = start(tmp_path / "killed")
        wanted = 10 * (number + 1)
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("killed/_work/*/part-*"))) < wanted and run.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    last, beside = start(tmp_path / "killed"), start(tmp_path / "killed")  # two at once
    for run in (last, beside):
        output, _ = run.communicate(timeout=300)
        assert run.returncode == 0, output
    assert {n: c for n, c in contents(tmp_path / "killed").items() if not n.endswith(".tmp")} == contents(
        tmp_path / "whole"
    )


def test_a_part_that_claims_what_it_has_not_is_refused():
    part = work_folder.WindowPart(places=((0, 0),), sides=(1, 1), answers=b"1234" * 3, valid=(b"",), num_windows=1)
    read = work_folder.read_part
    assert read(part.to_bytes(), "p", 3) == part
    for changed in ({"sides": (0, 1)}, {"sides": (2, 1)}, {"valid": ()}, {"places": ((-1, 0),)}, {"answers": b""}):
        with pytest.raises(DataError, match="'p' has not the answers that it claims"):
            read(msgspec.structs.replace(part, **changed).to_bytes(), "p", 3)
    with pytest.raises(DataError, match="'p' is damaged"):
        read(b"", "p", 3)
