"""The command `agrivision score`: its options reach what they are about."""

import json

import pytest
from map_rasters import scene, write_raster
from typer.testing import CliRunner

from components.errors import SettingsError
from pipeline.cli import app

pytestmark = pytest.mark.usefixtures("models_here")


def _score(*options):
    result = CliRunner().invoke(app, ["score", *map(str, options), "--window-px", "64"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_limits_of_regions_are_options(tmp_path, models_uri):
    path = write_raster(tmp_path / "a.tif", scene(300, 300))
    found = {}
    for name, options in (("all", ()), ("one", ("--most-regions", 1)), ("large", ("--smallest-m2", 1e9))):
        assert _score(path, "--model", models_uri, "--to", tmp_path / name, *options).exit_code == 0
        found[name] = len(json.loads((tmp_path / name / "a" / "a.geojson").read_text())["features"])
    assert found["all"] > 1
    assert (found["one"], found["large"]) == (1, 0)


def test_another_channel_can_be_asked(tmp_path, models_uri):
    path = write_raster(tmp_path / "a.tif", scene(70, 70))
    with pytest.raises(SettingsError, match="nobody-made-it"):
        _score(path, "--model", models_uri, "--to", tmp_path / "to", "--channel", "nobody-made-it")
