"""The mosaic as GDAL reads it: values, tags, and the layout that makes it cloud-optimized; and the PNGs."""

import json

import numpy as np
import pytest
from maps_made import map_grid, map_reader
from PIL import Image

from components.errors import DataError
from components.maps.output.cells import cell_blocks
from components.maps.output.file_names import file_names
from components.maps.output.frame import frame_of
from components.maps.output.mosaic import mosaic

rasterio = pytest.importorskip("rasterio")

_UTM = (0.5, 0.0, 500_000.0, 0.0, -0.5, 4_650_000.0)
_WKT = rasterio.crs.CRS.from_epsg(32615).to_wkt()
_HOSTILE = ('</Item><Item name="SCALE" sample="0">9', "a & 'b' \x1b[31m\x00", "шум ]]>")


def _written(folder, grid, values, valid=None, strip_rows=50):
    names = file_names("north", grid.classes)
    with mosaic(grid, frame_of(grid), folder, names) as writer:
        for block in cell_blocks(map_reader(grid, values, valid, strip_rows)):
            writer.add(block)
    return [folder / name for name in ((names.tiff,) if grid.transform else names.pngs)]


def _values(rows, columns, num_classes=2, seed=0):
    return np.random.default_rng(seed).random((rows, columns, num_classes))


def _on_the_ground(rows, columns, **changes):
    return map_grid(rows, columns, transform=_UTM, crs_wkt=_WKT, **changes)


def test_a_mosaic_has_the_values_the_place_and_the_names(tmp_path):
    grid = _on_the_ground(130, 70, cell_px=8, thresholds=(0.25, 0.625))
    values = _values(130, 70)
    valid = np.ones((130, 70), bool)
    valid[:40, :10] = False
    (path,) = _written(tmp_path, grid, values, valid)
    with rasterio.open(path) as found:
        assert found.transform == rasterio.Affine(4, 0, 500_000, 0, -4, 4_650_000)
        assert found.crs.to_epsg() == 32615
        assert (found.descriptions, found.units) == (grid.classes, ("probability",) * 2)
        assert (found.dtypes, found.nodata) == (("uint8",) * 2, 255)
        assert (found.scales, found.offsets) == ((0.004,) * 2, (0,) * 2)
        assert [found.tags(band)["threshold"] for band in (1, 2)] == ["0.25", "0.625"]
        assert found.tags()["AGRIVISION_MODEL"] == grid.model_version
        read = found.read()
        np.testing.assert_array_equal(read == 255, ~np.broadcast_to(valid, (2, 130, 70)))
        off = np.abs(read * 0.004 - np.moveaxis(values, 2, 0))[:, valid]
        assert off.max() <= 0.002 + 1 / 65535  # half a step, and that of the map itself
    assert [file.name for file in tmp_path.iterdir()] == ["north.tif"]


def test_a_mosaic_is_laid_out_for_reading_parts_of_it_from_a_bucket(tmp_path):
    """The rules of rio-cogeo: tiles, overviews, all directories at the front, small overviews before large ones."""
    (path,) = _written(tmp_path, _on_the_ground(1300, 1100, classes=("water",)), _values(1300, 1100, 1))
    with rasterio.open(path) as found:
        assert found.block_shapes == [(512, 512)]
        assert found.overviews(1) == [2, 4]
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert found.compression.name == "deflate"

        def at(item, **overview):
            return int(found.get_tag_item(item, "TIFF", bidx=1, **overview))

        directories = [at("IFD_OFFSET"), at("IFD_OFFSET", ovr=0), at("IFD_OFFSET", ovr=1)]
        assert directories == sorted(directories)
        assert directories[0] < 300
        data = [at("BLOCK_OFFSET_0_0", ovr=1), at("BLOCK_OFFSET_0_0", ovr=0), at("BLOCK_OFFSET_0_0")]
        assert [*directories, *data] == sorted([*directories, *data])


def test_an_overview_is_the_mean_of_what_was_judged(tmp_path):
    grid = _on_the_ground(600, 601, classes=("water",))
    values = np.zeros((600, 601, 1))
    values[0:2, 0:2] = [[[0.2], [0.4]], [[0.6], [0.8]]]
    valid = np.ones((600, 601), bool)
    valid[0, 0] = valid[2:4, 2:4] = False
    (path,) = _written(tmp_path, grid, values, valid)
    with rasterio.open(path, overview_level=0) as found:
        assert found.shape == (300, 301)
        read = found.read(1)
    assert read[0, 0] == round(0.6 / 0.004)
    assert read[1, 1] == 255
    assert np.count_nonzero(read) == 2


@pytest.mark.parametrize("num_classes", [1, 2, 3, 4, 15])
def test_classes_are_not_taken_for_colours(tmp_path, num_classes):
    grid = _on_the_ground(5, 6, classes=tuple(f"class {c}" for c in range(num_classes)))
    (path,) = _written(tmp_path, grid, _values(5, 6, num_classes))
    with rasterio.open(path) as found:
        kinds = {kind.name for kind in found.colorinterp}
        assert found.count == num_classes
    assert kinds <= {"gray", "undefined"}


def test_equal_maps_make_equal_bytes_however_they_are_cut(tmp_path):
    grid, values = _on_the_ground(700, 300), _values(700, 300)
    contents = set()
    for number, strip_rows in enumerate((1, 128, 700)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (path,) = _written(folder, grid, values, strip_rows=strip_rows)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_names_cannot_become_tags(tmp_path):
    grid = _on_the_ground(5, 6, classes=_HOSTILE, name='"><script>')
    (path,) = _written(tmp_path, grid, _values(5, 6, 3))
    with rasterio.open(path) as found:
        assert found.descriptions == (_HOSTILE[0], "a & 'b' \\x1b[31m\\x00", _HOSTILE[2])
        assert found.scales == (0.004,) * 3
        assert found.tags()["AGRIVISION_SOURCE"] == '"><script>'


def test_gdal_is_refused_in_one_line(tmp_path):
    grid = _on_the_ground(5, 6)
    with pytest.raises(DataError, match=r"\Acannot write the mosaic of 'north': [^\n]+\Z"):
        _written(tmp_path / "gone", grid, _values(5, 6))


def test_without_a_georeference_each_class_is_a_png(tmp_path):
    grid = map_grid(130, 70, classes=("water", "weeds"))
    values, valid = _values(130, 70), np.ones((130, 70), bool)
    valid[3] = False
    paths = _written(tmp_path, grid, values, valid)
    assert [path.name for path in paths] == ["north.water.png", "north.weeds.png"]
    for c, path in enumerate(paths):
        with Image.open(path) as picture:
            assert (picture.mode, picture.info["transparency"]) == ("L", 255)
            read = np.asarray(picture)
        np.testing.assert_array_equal(read == 255, ~valid)
        assert np.abs(read * 0.004 - values[..., c])[valid].max() <= 0.002 + 1 / 65535


def test_a_png_of_one_pixel_is_a_png(tmp_path):
    (path,) = _written(tmp_path, map_grid(1, 1, classes=("../x",)), np.ones((1, 1, 1)))
    assert path.name == "north.class-1.png"
    with Image.open(path) as picture:
        assert json.loads(str(np.asarray(picture).tolist())) == [[250]]
