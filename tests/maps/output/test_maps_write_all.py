"""All files of a map: published together, again without a change, and never beside another map."""

import contextlib
import os
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from maps_made import map_grid, map_reader

from components import storage
from components.errors import DataError, SettingsError
from components.maps.output.write_all import write_all
from components.maps.raster_extra import why_not_imported
from components.storage import bucket, whole_folder

_GRID = map_grid(30, 40, no_below=(0.2, 0.2))
_VALUES = np.random.default_rng(0).random((30, 40, 2))
_FILES = ["north.geojson", "north.water.png", "north.weed_cluster.png", "north.html"]


def _on_the_ground(**changes):
    rasterio = pytest.importorskip("rasterio")
    wkt = rasterio.crs.CRS.from_epsg(32615).to_wkt()
    return map_grid(30, 40, transform=(2, 0, 500_000, 0, -2, 4_650_000), crs_wkt=wkt, **changes)


def _contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_map_is_a_folder_with_the_page_last(tmp_path):
    places = write_all(map_reader(_GRID, _VALUES), str(tmp_path / "maps"), "north")
    assert places == [str(tmp_path / "maps" / "north" / name) for name in _FILES]
    assert sorted(_contents(tmp_path / "maps" / "north")) == sorted(_FILES)
    assert [path.name for path in (tmp_path / "maps").iterdir() if not path.name.endswith(".lock")] == ["north"]


def test_on_the_ground_it_has_a_geotiff(tmp_path):
    places = write_all(map_reader(_on_the_ground(), _VALUES), str(tmp_path), "north")
    assert [Path(place).name for place in places] == ["north.geojson", "north.tif", "north.html"]


def test_a_map_that_is_there_is_left_as_it_is(tmp_path):
    for _ in range(2):
        places = write_all(map_reader(_GRID, _VALUES), str(tmp_path), "north")
        (tmp_path / "north" / "notes.txt").write_text("mine")
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "north").iterdir() if path.name != "notes.txt"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(places) == 4
    assert (tmp_path / "north" / "notes.txt").read_text() == "mine"


def test_equal_maps_are_equal_bytes(tmp_path):
    grid = _on_the_ground()
    for name, strip_rows in (("one", 3), ("other", 30)):
        write_all(map_reader(grid, _VALUES, strip_rows=strip_rows), str(tmp_path / name), "north")
    assert _contents(tmp_path / "one" / "north") == _contents(tmp_path / "other" / "north")


def test_another_map_is_not_replaced(tmp_path):
    write_all(map_reader(_GRID, _VALUES), str(tmp_path), "north")
    before = _contents(tmp_path / "north")
    with pytest.raises(SettingsError, match=r"another map is in '.*north': .*; write to another place, or remove"):
        write_all(map_reader(_GRID, 1 - _VALUES), str(tmp_path), "north")
    assert _contents(tmp_path / "north") == before


def test_what_a_killed_run_left_is_replaced(tmp_path):
    left = tmp_path / ".north.writing"
    left.mkdir()
    (left / "north.tif").write_text("half")
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "north.geojson").write_text("half")  # as an interrupted removal leaves it
    write_all(map_reader(_GRID, _VALUES), str(tmp_path), "north")
    assert sorted(_contents(tmp_path / "north")) == sorted(_FILES)
    assert not left.exists()


def test_a_map_that_cannot_be_read_to_its_end_leaves_nothing(tmp_path):
    for grid in (_GRID, _on_the_ground()):
        with pytest.raises(DataError, match="ends after 20 of 30 rows"):
            write_all(map_reader(grid, _VALUES[:20], np.ones((20, 40), bool), strip_rows=20), str(tmp_path), "north")
    assert [path.name for path in tmp_path.iterdir()] == [".north.writing.lock"]


def test_a_geotiff_needs_rasterio_and_pngs_do_not(tmp_path, monkeypatch):
    grid = _on_the_ground()
    for name in [name for name in sys.modules if name.split(".")[0] == "rasterio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(SettingsError, match=r"needs rasterio, which is not installed; run `pip install 'agri"):
        write_all(map_reader(grid, _VALUES), str(tmp_path), "north")
    assert len(write_all(map_reader(_GRID, _VALUES), str(tmp_path), "south")) == 4


def test_a_rasterio_that_lacks_a_library_of_the_system_is_told_from_one_that_is_not_there():
    lacking = ImportError("libexpat.so.1: cannot open shared object file: No such file or directory")
    assert why_not_imported(lacking) == (
        "which is installed but cannot be loaded: libexpat.so.1: cannot open shared object file: No such file or "
        "directory; install that library of the system"
    )


def test_a_name_stays_in_its_folder(tmp_path):
    with pytest.raises(SettingsError, match=r"a map cannot be called '\.\./north'"):
        write_all(map_reader(_GRID, _VALUES), str(tmp_path / "maps"), "../north")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gcs
@pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server (STORAGE_EMULATOR_HOST)")
def test_a_bucket_has_the_page_last():
    from google.api_core.exceptions import Conflict

    with contextlib.suppress(Conflict):
        bucket._client().create_bucket("agri-maps-test")
    target = f"gs://agri-maps-test/{uuid.uuid4().hex}"
    places = write_all(map_reader(_GRID, _VALUES), target, "north")
    assert [file.path for file in storage.list_files(f"{target}/north")] == sorted(_FILES)
    assert write_all(map_reader(_GRID, _VALUES), target, "north") == places
    with pytest.raises(SettingsError, match="another map is in 'gs://"):
        write_all(map_reader(_GRID, 1 - _VALUES), target, "north")
    whole_folder.remove(target, "")
