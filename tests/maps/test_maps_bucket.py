"""Source, model and target on a bucket; needs STORAGE_EMULATOR_HOST."""

import os
import uuid

import pytest
from made_bucket import make_bucket
from map_rasters import scene, write_raster
from tile_shards import fake_record

from components import storage
from components.errors import DataError
from components.maps.score import score_share, score_source
from components.maps.settings import ScoreSettings
from components.progress import StepLog

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.slow,
    pytest.mark.skipif("STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server, STORAGE_EMULATOR_HOST"),
    pytest.mark.usefixtures("models_here"),
]
LOG = StepLog("score")


@pytest.fixture
def bucket():

    name = f"maps-{uuid.uuid4().hex}"
    make_bucket(name)
    return f"gs://{name}"


def parts_below(uri: str) -> dict[str, bytes]:
    names = (file.path for file in storage.list_files(uri))
    return {name.rpartition("/")[2]: storage.read_bytes(f"{uri}/{name}") for name in names if "part-" in name}


@pytest.mark.long
def test_a_raster_on_a_bucket_becomes_a_map_on_a_bucket(tmp_path, models_uri, bucket):
    path = write_raster(tmp_path / "a.tif", scene(200, 250))
    source, target, settings = f"{bucket}/sources/a.tif", f"{bucket}/maps", ScoreSettings(window_px=64)
    storage.write_bytes(source, path.read_bytes())
    score_share(source, models_uri, target, settings, LOG, 1, 2)
    files = score_source(source, models_uri, target, settings, LOG)
    assert [file.rpartition("/")[2] for file in files] == ["a.geojson", "a.tif", "a.html"]
    assert all(storage.exists(file) for file in files)
    assert score_source(source, models_uri, target, settings, LOG) == files
    score_source(str(path), models_uri, str(tmp_path / "here"), settings, LOG)
    assert parts_below(target) == parts_below(str(tmp_path / "here"))
    with pytest.raises(DataError, match=r"no 'gs://.*/b.tif'; expected a GeoTIFF or a folder of tiles"):
        score_source(f"{bucket}/sources/b.tif", models_uri, target, settings, LOG)


def test_tiles_on_a_bucket_become_maps(models_uri, bucket):
    for number in (1, 2):
        record = fake_record(2_000 + number)
        for role, content in (("rgb", record.rgb), ("nir", record.nir)):
            storage.write_bytes(f"{bucket}/tiles/{role}/F_{48 * number}-0-{48 * number + 48}-48.jpg", content)
    files = score_source(f"{bucket}/tiles", models_uri, f"{bucket}/maps", ScoreSettings(), LOG)
    assert files[-1] == f"{bucket}/maps/F/F.html"
    assert all(storage.exists(file) for file in files)
