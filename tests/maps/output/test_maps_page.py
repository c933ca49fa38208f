"""The page of a map: what it says, that names stay text, and that it fits narrow windows."""

import re

import numpy as np
import pytest
from maps_made import map_grid, map_reader, quicklook
from page_widths import measured, needs_chromium

from components.maps.grid import Quicklook
from components.maps.output.amounts import Amounts, share_of
from components.maps.output.layers import class_layer, ndvi_picture
from components.maps.output.write_all import write_all

_WKT = 'LOCAL_CS["<i>barn",UNIT["metre",1]]'
_CROP = tuple(f"pattern_{number}" for number in range(9))


def _page(folder, grid, values, valid=None, preview=None):
    *_, page = write_all(map_reader(grid, values, valid, preview=preview), str(folder), "north")
    with open(page, encoding="utf-8") as file:
        return file.read().replace("<wbr>", "")  # names may break between their words


def _values(grid, seed=0):
    return np.random.default_rng(seed).random((grid.rows, grid.columns, len(grid.classes)))


def test_the_page_says_how_much_of_the_field_shows_what(tmp_path):
    values = np.zeros((10, 10, 2))
    values[:2, :, 1], values[2, :, 1], values[:4, 9, 0] = 0.9, 0.3, 0.3
    valid = np.ones((10, 10), bool)
    valid[9] = False
    grid = map_grid(10, 10, no_below=(0.2, 0.25), cell_px=64, num_left_out=2, first_left_out="a.jpg: no such file")
    text = _page(tmp_path, grid, values, valid)
    assert "Of 368,640 px judged, 81,920 px (22.2%) show at least one class" in text
    assert "for another 45,056 px (12.2%) the model is not sure" in text
    assert "Largest: weed_cluster 81,920 px." in text
    row = re.search(r"<tr><td>weed_cluster</td>(.*?)</tr>", text)
    assert row
    assert re.findall(r">([^<]+)<", row[1]) == ["81,920", "22.2%", "40,960", "11.1%", "1", "0.50"]
    for fact in (grid.model_version, grid.source_uri, "640 x 640 px", "2; the first: a.jpg: no such file", "64 px"):
        assert fact in text
    assert "Areas are of whole cells" in text
    assert "it has no georeference" in text
    assert re.search(r"north\.geojson<small>sha256 [0-9a-f]{64}</small>", text)


def test_a_page_of_a_map_on_the_ground_has_hectares_and_a_scale(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    wkt = rasterio.crs.CRS.from_epsg(32615).to_wkt()
    grid = map_grid(100, 200, transform=(2, 0, 500_000, 0, -2, 4_650_000), crs_wkt=wkt)
    values = np.zeros((100, 200, 2))
    values[:50, :100, 0] = 1
    text = _page(tmp_path, grid, values)
    assert "Of 8.00 ha judged, 2.00 ha (25.0%) show at least one class. Largest: water 2.00 ha." in text
    assert ">100 m</div>" in text
    assert "North is up" in text
    assert "WGS 84 / UTM zone 15N" in text
    assert re.search(r"42\.001\d\d° N, 92\.997\d\d° W", text)


def test_a_class_that_is_never_ruled_out_is_said_once_and_not_drawn(tmp_path):
    text = _page(tmp_path, map_grid(5, 5, no_below=(0.0, 0.2)), np.full((5, 5, 2), 0.1))
    assert "Of water the model never says no" in text
    assert 'class="answer' not in text
    assert "for another" in text


def test_a_model_that_never_rules_out_a_class_is_not_said_to_be_sure_of_everything_else(tmp_path):
    text = _page(tmp_path, map_grid(5, 5, no_below=(0.0, 0.0)), np.full((5, 5, 2), 0.1))
    assert "the model is not sure" not in text
    assert "Of water, weed_cluster the model never says no" in text


def test_a_map_of_nothing_says_so(tmp_path):
    text = _page(tmp_path, map_grid(5, 5), np.zeros((5, 5, 2)), np.zeros((5, 5), bool))
    assert "Nothing of this source could be judged" in text
    assert "Found nowhere" in text


def test_more_classes_than_colours_are_in_the_table_only(tmp_path):
    grid = map_grid(20, 20, classes=tuple(f"c{number}" for number in range(12)))
    text = _page(tmp_path, grid, _values(grid))
    assert "The picture has the 9 largest classes; 3 more are in the table." in text
    assert len(re.findall('type="checkbox"', text)) == 9


def test_names_stay_text_and_nothing_is_loaded_or_run(tmp_path):
    hostile = ("</style><script>alert(1)</script>", '"><img src=x onerror=alert(1)>')
    grid = map_grid(
        20,
        20,
        classes=hostile,
        no_below=(0.1, 0.1),
        name="<b>\x1b[31m",
        source_uri="javascript:<i>",
        first_left_out="</table><script>",
        num_left_out=1,
        transform=(1, 0, 9, 0, -1, 0),
        crs_wkt=_WKT,
    )
    text = _page(tmp_path, grid, _values(grid))
    assert not re.search(r"<(script|b>|i>|img src=x)", text.replace("<i>barn", "<i >barn"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert all(address.startswith("data:image/") for address in re.findall(r'src="([^"]*)', text))
    assert not re.search(r"https?://|@import|url\(", text)


@needs_chromium
def test_a_page_fits_narrow_and_wide_windows(tmp_path):
    pages = {}
    for name, changes in {
        "dense": {"classes": _CROP, "no_below": (0.3,) * 9},
        "coarse": {"classes": ("x" * 80, "weeds"), "cell_px": 64, "thresholds": None},
    }.items():
        grid = map_grid(40, 60, **changes)
        (tmp_path / name).mkdir()
        pages[name] = _page(tmp_path / name, grid, _values(grid), preview=quicklook(400, 600))
    for (name, width), found in measured(pages, [400, 480, 1200], tmp_path).items():
        assert found["wide"] == [], (name, width)


def test_a_page_needs_no_near_infrared(tmp_path):
    text = _page(tmp_path, map_grid(5, 5), np.ones((5, 5, 2)), preview=quicklook(has_nir=False))
    assert "NDVI" not in re.sub("<style>.*?</style>", "", text, flags=re.DOTALL)


def test_ndvi_is_drawn_between_what_most_pixels_have():
    ndvi = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    preview = Quicklook(np.zeros((100, 100, 3), np.uint8), ndvi, np.ones((100, 100), bool))
    assert ndvi_picture(preview)[1:] == pytest.approx((0.02, 0.98), abs=1e-3)
    flat = Quicklook(preview.rgb, np.full((100, 100), np.nan, np.float32), preview.valid)
    assert ndvi_picture(flat) is None
    even = Quicklook(preview.rgb, np.full((100, 100), 0.3, np.float32), preview.valid)
    assert ndvi_picture(even)[1:] == pytest.approx((0.25, 0.35))


def test_equal_layers_are_equal_bytes():
    shares = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    assert class_layer(shares, "#e69f00", is_hatched=True) == class_layer(shares.copy(), "#e69f00", is_hatched=True)
    assert class_layer(shares, "#e69f00", is_hatched=True) != class_layer(shares, "#e69f00", is_hatched=False)


@pytest.mark.parametrize(
    ("unit", "whole", "area", "number", "text"),
    [
        ("m2", 1e6, 123_456, "12.35", "12.35 ha"),
        ("m2", 2e4, 123.4, "0.012", "123 m²"),
        ("m2", 5e3, 0.2, "0.0000", "less than 1 m²"),
        ("m2", 5e3, 0, "0.0000", "0.00 ha"),
        ("px2", 1e6, 12_345.0, "12,345", "12,345 px"),
        ("units2", 1e6, 12_345.6, "12,346", "12,346 squared units"),
    ],
)
def test_areas_have_as_many_decimals_as_they_need(unit, whole, area, number, text):
    assert (Amounts(unit, whole).number(area), Amounts(unit, whole).text(area)) == (number, text)


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 5, "0.0%"), (1, 3, "33.3%"), (1, 10**6, "< 0.1%"), (0, 0, "0.0%")]
)
def test_a_share_that_is_not_nothing_is_not_written_as_nothing(part, whole, text):
    assert share_of(part, whole) == text
