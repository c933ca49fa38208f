"""Regions as GeoJSON: what RFC 7946 wants, what is left out, and that polygons cover the cells they were made of."""

import io
import itertools
import json

import numpy as np
import pytest
from maps_made import map_grid, map_reader

from components.errors import SettingsError
from components.maps.output import coarse
from components.maps.output.cells import cell_blocks
from components.maps.output.frame import frame_of
from components.maps.output.region_file import region_file
from components.maps.output.region_spool import Rank, RegionSpool
from components.maps.settings import RegionSettings

_EVERYTHING = RegionSettings(smallest_px2=0.0, smallest_m2=0.0)


def _written(folder, grid, values, settings=_EVERYTHING, valid=None, strip_rows=7):
    path = folder / "north.geojson"
    with region_file(grid, frame_of(grid), path, settings) as regions:
        for block in cell_blocks(map_reader(grid, values, valid, strip_rows)):
            regions.add(block)
    return json.loads(path.read_text()), regions


def _twice_signed_area(ring):
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in itertools.pairwise(ring))


def _drawn(*rows):
    """Returns the values of one class, a digit a cell, in tenths."""
    return np.array([[[int(cell) / 10] for cell in row] for row in rows])


def test_a_region_says_what_it_is(tmp_path):
    grid = map_grid(3, 4, classes=("water",), no_below=(0.3,), cell_px=10)
    found, _ = _written(tmp_path, grid, _drawn("6800", "0003", "0004"))
    assert found["type"] == "FeatureCollection"
    assert [feature["properties"] for feature in found["features"]] == [
        {"class": "water", "answer": "yes", "mean_probability": 0.7, "max_probability": 0.8, "area_px2": 200.0},
        {"class": "water", "answer": "not sure", "mean_probability": 0.35, "max_probability": 0.4, "area_px2": 200.0},
    ]
    assert found["features"][0]["geometry"] == {
        "type": "Polygon",
        "coordinates": [[[0, 0], [20, 0], [20, 10], [0, 10], [0, 0]]],
    }
    assert "pixels of the source" in found["coordinates_are"]
    assert (found["model_version"], found["yes_from"]) == (grid.model_version, {"water": 0.5})
    # RFC 7946, 7.1: these belong to other types
    assert not {"coordinates", "geometries", "geometry", "properties", "crs"} & found.keys()


def test_regions_are_on_earth_outlines_counterclockwise_and_holes_clockwise(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    grid = map_grid(
        5,
        5,
        classes=("water",),
        transform=(10, 0, 500_000, 0, -10, 4_650_000),
        crs_wkt=rasterio.crs.CRS.from_epsg(32615).to_wkt(),
    )
    found, _ = _written(tmp_path, grid, _drawn("00000", "09990", "09090", "09990", "00000"))
    (feature,) = found["features"]
    assert (feature["properties"]["area_m2"], feature["properties"]["area_ha"]) == (800, 0.08)
    outline, hole = feature["geometry"]["coordinates"]
    assert _twice_signed_area(outline) > 0 > _twice_signed_area(hole)
    assert all(ring[0] == ring[-1] for ring in (outline, hole))
    assert outline[0] == pytest.approx([-92.99988, 42.00193], abs=1e-4)
    assert found["coordinates_are"] == "longitude and latitude, WGS 84"


@pytest.mark.parametrize("side", [1, 3])
def test_polygons_cover_the_cells_they_were_made_of(tmp_path, monkeypatch, side):
    features = pytest.importorskip("rasterio.features")
    monkeypatch.setattr(coarse, "_MOST_SQUARES", 40 * 50 / side**2)
    values = np.random.default_rng(0).random((40 // side, 50 // side, 2))
    values = values.repeat(side, axis=0).repeat(side, axis=1)
    values = np.pad(values, ((0, 40 - values.shape[0]), (0, 50 - values.shape[1]), (0, 0)))
    grid = map_grid(40, 50, no_below=(0.3, 0.3))
    found, regions = _written(tmp_path, grid, values)
    assert regions.side == found["outlines_follow_squares_of_px"] == side
    for c, (name, answer) in itertools.product(range(2), enumerate(("yes", "not sure"))):
        shapes = [
            feature["geometry"]
            for feature in found["features"]
            if (feature["properties"]["class"], feature["properties"]["answer"]) == (grid.classes[c], answer)
        ]
        drawn = features.rasterize(shapes, (40, 50)) == 1
        expected = values[..., c] >= 0.5 if name == 0 else (values[..., c] >= 0.3) & (values[..., c] < 0.5)
        np.testing.assert_array_equal(drawn, expected)


def test_equal_maps_make_equal_bytes_however_they_are_cut(tmp_path):
    values = np.random.default_rng(0).random((40, 50, 2))
    contents = set()
    for strip_rows in (1, 7, 40):
        _written(tmp_path, map_grid(40, 50, no_below=(0.2, 0.2)), values, strip_rows=strip_rows)
        contents.add((tmp_path / "north.geojson").read_bytes())
    assert len(contents) == 1


def test_the_largest_come_first_and_what_is_left_out_is_counted(tmp_path):
    values = _drawn("9909000", "0009009", "9909009")  # areas 2, 3, 2, 2
    settings = RegionSettings(smallest_px2=2, most_regions=2)
    values[0, 6] = 0.9
    values[1, 6] = 0.0  # areas 2, 3, 1, 2, 1
    found, regions = _written(tmp_path, map_grid(3, 7, classes=("water",)), values, settings)
    assert [feature["properties"]["area_px2"] for feature in found["features"]] == [3, 2]
    assert found["features"][1]["geometry"]["coordinates"][0][0] == [0, 0]  # of equal ones the first
    assert found["smallest"] == {"area_px2": 2}
    assert found["left_out"] == [
        {
            "class": "water",
            "answer": "yes",
            "smaller_than_the_smallest": 2,
            "beyond_the_largest": 1,
            "too_intricate": 0,
            "area_px2": 4.0,
        }
    ]
    (of, _) = regions.covered[0].values()
    assert (of.area, of.kept_area, of.left_out_area) == (9, 5, 4)


def test_a_map_without_regions_is_an_empty_collection(tmp_path):
    found, _ = _written(tmp_path, map_grid(3, 4), np.zeros((3, 4, 2)))
    assert (found["features"], found["left_out"]) == ([], [])


def test_names_cannot_become_json_or_steer_a_terminal(tmp_path):
    hostile = ('a","x":{"', "b\x1b[31m\u202e</script>")
    found, _ = _written(tmp_path, map_grid(1, 2, classes=hostile, name="\x00"), np.ones((1, 2, 2)))
    names = [feature["properties"]["class"] for feature in found["features"]]
    assert names == [hostile[0], "b\\x1b[31m\\u202e</script>"]
    assert found["name"] == "\\x00"


def test_a_map_that_fails_on_the_way_leaves_no_file(tmp_path):
    grid = map_grid(3, 4)
    with (
        pytest.raises(RuntimeError, match="on the way"),
        region_file(grid, frame_of(grid), tmp_path / "north.geojson", _EVERYTHING),
    ):
        raise RuntimeError("on the way")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings", [{"smallest_m2": -1.0}, {"smallest_px2": float("nan")}, {"most_regions": 0}, {"most_regions": 10**7}]
)
def test_limits_out_of_range_are_refused(settings):
    with pytest.raises(SettingsError, match=f"{next(iter(settings))} must be"):
        RegionSettings(**settings)


@pytest.mark.parametrize("most", [1, 3, 10, 1000])
def test_the_spool_keeps_the_largest(most):
    areas = np.random.default_rng(0).integers(0, 50, 400).tolist()
    spool = RegionSpool(io.BytesIO(), most)
    for first, area in enumerate(areas):
        if area >= spool.least_area:
            spool.add(Rank(first % 3, 1, -area, first), f"{first}:{area}".encode())
    ranks = spool.finish()
    expected = sorted((-area, first % 3, 1, first) for first, area in enumerate(areas))[:most]
    assert sorted((rank.minus_area, rank.class_number, 1, rank.first) for rank in ranks) == expected
    assert ranks == sorted(ranks)
    assert [bytes(text) for text in spool.contents()] == [f"{r.first}:{-r.minus_area}".encode() for r in ranks]
