"""Where cells lie and what they cover: hand-made georeferences, sensible and absurd."""

import numpy as np
import pytest
from maps_made import map_grid

from components.maps.output.frame import OWN_UNITS, PIXELS, SQUARE_METRES, frame_of

rasterio = pytest.importorskip("rasterio")

UTM = (0.1, 0.0, 500_000.0, 0.0, -0.1, 4_650_000.0)
# A reference system that is shifted by a grid, whose name follows.
_BOUND = (
    'GEOGCS["x",DATUM["x",SPHEROID["x",6378137,298]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],'
    'EXTENSION["PROJ4","+proj=longlat +ellps=GRS80 +nadgrids=@{} +no_defs"]]'
)


def _wkt(code):
    return rasterio.crs.CRS.from_epsg(code).to_wkt()


def _frame(transform, wkt, rows=10, columns=20, **changes):
    return frame_of(map_grid(rows, columns, transform=transform, crs_wkt=wkt, **changes))


@pytest.mark.parametrize(
    ("code", "transform", "cell_m2", "said"),
    [
        pytest.param(32615, UTM, 0.01, "in the raster's projection", id="UTM, metres"),
        # Iowa North, US survey feet
        pytest.param(3417, (1, 0, 4.9e6, 0, -1, 3.6e6), 0.3048006096**2, "in the raster's projection", id="feet"),
        # 0.001 degrees at 45 north: 111.13 m by 78.85 m (the lengths of a degree on WGS 84)
        pytest.param(4326, (1e-3, 0, 9, 0, -1e-3, 45), 111.13 * 78.85, "on the ellipsoid", id="degrees"),
        # Web Mercator stretches lengths by 1 / cos(latitude): at 60 degrees, areas by four
        pytest.param(3857, (10, 0, 1e6, 0, -10, 8_399_738), 25.1, "stretches them by 3.99", id="Web Mercator"),
    ],
)
def test_areas_are_those_on_the_ground(code, transform, cell_m2, said):
    frame = _frame(transform, _wkt(code))
    assert (frame.unit, frame.is_lonlat, frame.notes) == (SQUARE_METRES, True, ())
    assert frame.row_area == pytest.approx(np.full(10, cell_m2), rel=0.004)
    assert frame.cell_m == pytest.approx(cell_m2**0.5, rel=0.002)
    assert said in frame.how_measured


def test_places_are_longitudes_and_latitudes():
    frame = _frame(UTM, _wkt(32615))  # the central meridian of zone 15 is 93 west
    (place,) = frame.points(np.array([0]), np.array([0])).tolist()
    assert place == pytest.approx([-93.0, 42.0020], abs=0.0001)
    assert frame.digits == 8  # a cell is 0.0000009 degrees


@pytest.mark.parametrize(
    ("transform", "wkt", "unit", "note"),
    [
        pytest.param(None, "", PIXELS, None, id="no georeference"),
        pytest.param((1, 0, 0, 0, 1, 0), 32615, PIXELS, None, id="none, as GDAL tells it"),
        pytest.param(UTM, "", OWN_UNITS, "does not say which reference system", id="no reference system"),
        pytest.param(UTM, "PROJCS[<b>", OWN_UNITS, "not one that PROJ can read", id="damaged"),
        pytest.param(UTM, "x" * 100_001, OWN_UNITS, "too long", id="long"),
        pytest.param(UTM, _BOUND.format("/dev/stdin"), OWN_UNITS, "names a file", id="a file"),
        pytest.param(UTM, _BOUND.format("../grid.gsb"), OWN_UNITS, "names a file", id="a file above"),
        pytest.param(UTM, _BOUND.format("http://x/grid.gsb"), OWN_UNITS, "names a file", id="a server"),
        pytest.param(UTM, 'LOCAL_CS["barn",UNIT["metre",1]]', OWN_UNITS, "lie outside of what", id="local"),
        pytest.param((0.1, 0, 1e9, 0, -0.1, 1e9), 32615, OWN_UNITS, "lie outside of what", id="not on Earth"),
        pytest.param((1, 0, 400, 0, -1, 45), 4326, OWN_UNITS, "lie outside of what", id="beyond 180 degrees"),
        pytest.param((1, 0, 600_000, 0, -1, 8e6), "32760", SQUARE_METRES, None, id="Fiji"),
        pytest.param((9000, 0, 750_000, 0, -9, 8e6), 32760, OWN_UNITS, "crosses the 180th meridian", id="antimeridian"),
        pytest.param((float("nan"), 0, 0, 0, -1, 0), 32615, PIXELS, "not finite", id="nan"),
        pytest.param((1, 0, float("inf"), 0, -1, 0), 32615, PIXELS, "not finite", id="infinite"),
        pytest.param((0, 0, 5e5, 0, 0, 4e6), 32615, PIXELS, "no area", id="pixels of size zero"),
        pytest.param((1, 2, 5e5, 2, 4, 4e6), 32615, PIXELS, "no area", id="flattened"),
        pytest.param((1e-9, 0, 5e5, 0, -1e-9, 4e6), 32615, PIXELS, "beyond all use", id="cells too small to tell"),
        pytest.param((1, 0, 1e300, 0, -1, 0), 32615, PIXELS, "beyond all use", id="huge"),
    ],
)
def test_a_georeference_without_sense_is_told_and_passed_over(transform, wkt, unit, note):
    wkt = _wkt(int(wkt)) if str(wkt).isdigit() else wkt
    frame = _frame(transform, wkt)
    assert frame.unit == unit
    assert len(frame.notes) == (note is not None)
    assert (note or "") in " ".join(frame.notes)
    assert np.isfinite(frame.points(np.arange(3), np.arange(3))).all()
    assert frame.how_measured.startswith("Areas are ")


def test_pixels_of_the_source_are_counted_from_its_top_left_corner():
    frame = frame_of(map_grid(2, 3, cell_px=64, width_px=150, height_px=100))
    assert frame.points(np.array([0, 1, 3]), np.array([0, 1, 2])).tolist() == [[0, 0], [64, 64], [150, 100]]
    assert frame.row_area.tolist() == [64 * 64, 64 * 36]  # the last row is cut off


@pytest.mark.parametrize(
    ("transform", "keeps"),
    [(UTM, True), ((0.1, 0, 5e5, 0, 0.1, 4e6), False), ((-0.1, 0, 5e5, 0, -0.1, 4e6), False), (None, False)],
)
def test_it_is_known_in_which_direction_a_ring_runs(transform, keeps):
    # With rows downwards, a ring that is clockwise as seen is clockwise with y upwards only if rows run against y.
    assert _frame(transform, _wkt(32615) if transform else "").keeps_clockwise is keeps
