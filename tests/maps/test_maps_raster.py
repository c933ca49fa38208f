"""GeoTIFFs of every kind are read to the same pixels, and bad ones are refused."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from map_rasters import scene, write_raster

from components.errors import DataError, SettingsError
from components.maps import raster_file
from components.maps.band_order import band_indexes
from components.maps.raster_file import open_raster
from components.maps.raster_windows import RasterWindows, file_fingerprint
from components.maps.windows import Axis

RGBN = ("red", "green", "blue", "undefined")


@pytest.mark.parametrize(
    ("given", "colours", "needed", "expected"),
    [
        ("", RGBN, 4, (1, 2, 3, 4)),
        ("", ("nir", "red", "green", "blue"), 4, (2, 3, 4, 1)),
        ("", ("red", "green", "blue", "alpha"), 3, (1, 2, 3)),
        ("", ("red", "green", "blue", "undefined", "undefined"), 3, (1, 2, 3)),
        ("", ("red", "green", "blue", "undefined", "nir"), 4, (1, 2, 3, 5)),
        ("nrgb", ("gray", "undefined", "undefined", "undefined"), 4, (2, 3, 4, 1)),
        ("RGBN", ("red", "green", "blue", "alpha"), 4, (1, 2, 3, 4)),
        ("bgrxn", ("gray",) * 5, 4, (3, 2, 1, 5)),
        ("3,2,1,4", ("gray",) * 5, 4, (3, 2, 1, 4)),
        ("5, 2, 1", ("gray",) * 5, 3, (5, 2, 1)),
        ("rgbn", ("gray",) * 4, 3, (1, 2, 3)),
    ],
)
def test_bands_are_what_the_user_says_or_else_the_file(given, colours, needed, expected):
    assert band_indexes(given, colours, needed, "a.tif") == expected


@pytest.mark.parametrize(
    ("given", "colours", "needed", "message"),
    [
        ("", ("gray", "undefined", "undefined", "undefined"), 4, "are red, green, blue, nir is not clear"),
        ("", ("red", "green", "blue", "alpha"), 4, r"it calls them red, .*; give --bands, e.g. --bands rgbn"),
        ("", ("red", "green", "blue", "undefined", "undefined"), 4, "is not clear"),
        ("", ("red", "green"), 3, "is not clear"),
        ("rgb", RGBN, 4, r"with each of .* n \(nir\) once, got 'rgb'"),
        ("rrbn", RGBN, 4, "got 'rrbn'"),
        ("rgbnx", RGBN, 4, "which has 4"),
        ("1,2,3", RGBN, 4, r"must be the numbers of red, green, blue, nir, each in 1\.\.4 and once, got '1,2,3'"),
        ("1,2,3,5", RGBN, 4, "got '1,2,3,5'"),
        ("1,2,3,3", RGBN, 4, "got '1,2,3,3'"),
        ("0,1,2,3", RGBN, 4, "got '0,1,2,3'"),
        ("4,3,2,1,1", RGBN, 4, "got '4,3,2,1,1'"),
        ("²,1,2,3", RGBN, 4, "got '²,1,2,3'"),
        ("٣,1,2,4", RGBN, 4, "must have one letter for each band"),
        ("9" * 5_000 + ",1,2,3", RGBN, 4, "must be the numbers"),
    ],
)  # fmt: skip
def test_bands_that_are_not_clear_are_asked_for(given, colours, needed, message):
    with pytest.raises(SettingsError, match=message):
        band_indexes(given, colours, needed, "a.tif")


def read_all(path, bands="", num_bands=4, max_16_bit=65_535, at_once=50):
    with open_raster(path, str(path), bands, num_bands, max_16_bit) as raster:
        height = raster.header.height_px
        pixels = np.zeros((height, raster.header.width_px, num_bands), np.uint8)
        valid = np.zeros((height, raster.header.width_px, 1), np.uint8)
        for row in range(0, height, at_once):
            raster.rows(row, [pixels[row : row + at_once]], valid[row : row + at_once])
    return pixels, valid


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tiled": True, "blockxsize": 64, "blockysize": 64},
        {"compress": "deflate", "predictor": 2},
        {"compress": "lzw", "tiled": True, "blockxsize": 128, "blockysize": 32, "interleave": "band"},
        {"interleave": "pixel", "blockysize": 7},
        {"BIGTIFF": "YES", "compress": "zstd"},
    ],
)
def test_tiled_or_not_a_raster_has_the_same_pixels(tmp_path, options):
    bands = scene(150, 201)
    pixels, valid = read_all(write_raster(tmp_path / "a.tif", bands, **options))
    np.testing.assert_array_equal(pixels, bands.transpose(1, 2, 0))
    assert (valid == 255).all()


def test_bands_in_another_order_are_put_in_ours(tmp_path):
    bands = scene(60, 70)
    path = write_raster(tmp_path / "a.tif", bands[[3, 0, 1, 2]], ("undefined", "red", "green", "blue"))
    for given in ("nrgb", "2,3,4,1", ""):
        np.testing.assert_array_equal(read_all(path, given)[0], bands.transpose(1, 2, 0))


def test_16_bits_are_scaled_as_those_of_tiles_are(tmp_path):
    bands = np.arange(4 * 60 * 70, dtype=np.uint16).reshape(4, 60, 70) % 5_000
    path = write_raster(tmp_path / "a.tif", bands)
    pixels, _ = read_all(path, max_16_bit=4_095)
    np.testing.assert_array_equal(pixels, np.minimum(bands.transpose(1, 2, 0) // 16, 255))
    np.testing.assert_array_equal(read_all(path)[0], bands.transpose(1, 2, 0) // 256)


def test_nodata_alpha_and_a_mask_say_what_does_not_count(tmp_path):
    import rasterio

    bands = scene(100, 120) // 2 + 1
    bands[:, :30] = 0
    bands[0, 50] = 0  # black in one band only
    with_nodata = write_raster(tmp_path / "nodata.tif", bands, nodata=0)
    alpha = np.full((1, 100, 120), 255, np.uint8)
    alpha[:, :30] = 0
    colours = ("red", "green", "blue", "undefined", "alpha")
    with_alpha = write_raster(tmp_path / "alpha.tif", np.concatenate([bands, alpha]), colours)
    with_mask = tmp_path / "mask.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_raster(with_mask, bands)
        with rasterio.open(with_mask, "r+") as file:
            file.write_mask(alpha[0])
    for path in (with_nodata, with_alpha, with_mask):
        _, valid = read_all(path)
        np.testing.assert_array_equal(valid[..., 0], alpha[0], err_msg=path.name)


def copies(unit):
    """Returns the batches of a unit, which lie in the same memory."""
    return [{name: array.copy() for name, array in batch.items()} for batch in unit.batches]


@pytest.mark.parametrize("overlap_rows", [32, 64, 16])
def test_each_row_is_read_once_and_every_window_has_its_pixels(tmp_path, monkeypatch, overlap_rows):
    bands = scene(203, 150)
    path = write_raster(tmp_path / "a.tif", bands)
    read = []
    rows = raster_file.Raster.rows
    monkeypatch.setattr(
        raster_file.Raster, "rows", lambda self, at, *to: read.append(len(to[1])) or rows(self, at, *to)
    )
    windows = RasterWindows((Axis(203, 8), Axis(150, 8)), 64, overlap_rows, 2)
    with open_raster(path, "a", "", 4, 65_535) as raster:
        for unit in windows.units(raster, range(len(windows.tops))):
            batches = copies(unit)
            assert {len(batch["rgb"]) for batch in batches} <= {1, 2}
            for name, these in (("rgb", slice(0, 3)), ("nir", slice(3, 4))):
                found = np.concatenate([batch[name] for batch in batches])
                for (top, left), window in zip(unit.places, found, strict=True):
                    expected = bands[these, top : top + 64, left : left + 64].transpose(1, 2, 0)
                    np.testing.assert_array_equal(window, expected)
    assert sum(read) == 203
    read.clear()
    with open_raster(path, "a", "", 4, 65_535) as raster:  # some rows alone have the same pixels
        for unit in windows.units(raster, [1, 3]):
            found = np.concatenate([batch["nir"] for batch in copies(unit)])
            top, left = unit.places[-1]
            np.testing.assert_array_equal(found[-1][..., 0], bands[3, top : top + 64, left : left + 64])


def test_a_raster_smaller_than_a_window_is_padded_with_what_does_not_count(tmp_path):
    path = write_raster(tmp_path / "a.tif", scene(40, 30))
    windows = RasterWindows((Axis(40, 8), Axis(30, 8)), 64, 32, 16)
    with open_raster(path, "a", "", 4, 65_535) as raster:
        (unit,) = windows.units(raster, [0])
        (batch,) = copies(unit)
    assert batch["rgb"].shape == (1, 64, 64, 3)
    assert batch["valid"].sum() == 40 * 30 * 255
    assert batch["valid"][0, :40, :30].all()


def test_a_fingerprint_is_another_once_the_file_is(tmp_path):
    path = write_raster(tmp_path / "a.tif", scene(40, 30))
    first = file_fingerprint(path, "", (1, 2, 3))
    assert file_fingerprint(path, "", (1, 2, 3)) == first
    assert file_fingerprint(path, "", (3, 2, 1)) != first
    copy = tmp_path / "b.tif"
    shutil.copy2(path, copy)
    assert file_fingerprint(copy, "7", (1, 2, 3)) != first
    path.touch()
    assert file_fingerprint(path, "", (1, 2, 3)) != first


def refused(path, message, error=DataError, bands=""):
    with pytest.raises(error, match=message) as raised:
        read_all(path, bands)
    assert "\n" not in str(raised.value)


def test_what_is_no_geotiff_that_can_be_read_is_one_line(tmp_path, monkeypatch):
    good = write_raster(tmp_path / "good.tif", scene(200, 200))
    (tmp_path / "text.tif").write_text("no picture")
    refused(tmp_path / "text.tif", "text.tif' cannot be opened as a GeoTIFF: .*; is it complete, and a TIFF")
    (tmp_path / "cut.tif").write_bytes(good.read_bytes()[:20_000])
    refused(tmp_path / "cut.tif", "cut.tif' cannot be (read from row|opened)")
    write_raster(tmp_path / "float.tif", scene(40, 40).astype(np.float32))
    refused(tmp_path / "float.tif", "has samples of float32; expected 8 or 16 bits, without sign")
    monkeypatch.setattr(raster_file, "MAX_SIDE_PX", 100)
    refused(good, r"has 200 x 200 px and 4 bands; expected at most 100 px a side")
    monkeypatch.undo()
    monkeypatch.setattr(raster_file, "MAX_BLOCK_BYTES", 1_000)
    refused(good, r"has strips or tiles of [\d,]+ bytes, at most 1,000 are read at once; convert it")


@pytest.mark.hostile
def test_a_file_that_leads_gdal_elsewhere_is_not_followed(tmp_path):
    good = write_raster(tmp_path / "good.tif", scene(40, 40))
    source = f"<SimpleSource><SourceFilename>{good}</SourceFilename></SimpleSource>"
    band = f'<VRTRasterBand dataType="Byte" band="1">{source}</VRTRasterBand>'
    (tmp_path / "vrt.tif").write_text(f'<VRTDataset rasterXSize="40" rasterYSize="40">{band}</VRTDataset>')
    refused(tmp_path / "vrt.tif", "cannot be opened as a GeoTIFF")
    # What lies beside it is not looked at: this would say that nothing counts.
    (tmp_path / "good.tif.aux.xml").write_text("<PAMDataset><SRS>LOCAL_CS</SRS></PAMDataset>")
    (tmp_path / "good.tif.msk").write_bytes(b"no mask")
    pixels, valid = read_all(good)
    assert valid.all()
    assert pixels.any()


def test_without_rasterio_the_command_says_how_to_get_it(tmp_path):
    code = (
        "import sys; sys.modules['rasterio'] = None\n"
        "from components.maps.raster_file import open_raster\n"
        "with open_raster('a.tif', 'a.tif', '', 4, 255): pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(r"SettingsError|_NoRaster", done.stderr)
    assert "which is not installed; run `pip install 'agrivision-kfp[raster]'`" in done.stderr
