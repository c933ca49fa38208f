"""TIFF and GeoTIFF: what is read is read exactly; what is not is refused by name, before anything is unpacked."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from tiff_files import ALPHA, NIR, tiff

from components.records import tiff as reader
from components.records.image_header import BeyondLimits, DamagedImage, NotRead
from components.records.tiff_header import MAX_BLOCKS, tiff_header


def pixels(num_bands=3, kind=np.uint8, height=40, width=50):
    values = np.random.default_rng(num_bands).integers(0, np.iinfo(kind).max, (height, width, num_bands), kind)
    return np.sort(values, axis=1)  # smooth, as pictures are


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("num_bands", [1, 2, 3, 4])
def test_every_way_to_store_a_picture_gives_its_pixels(num_bands, kind, order):
    expected = pixels(num_bands, kind)
    ways = itertools.product((False, True), (False, True), (False, True), ((None, 0), (None, 7), ((16, 32), 0)))
    for deflate, differences, planar, (tile, rows) in ways:
        content = tiff(
            expected, order=order, deflate=deflate, differences=differences and deflate, planar=planar, tile=tile,
            rows_per_strip=rows,
        )  # fmt: skip
        found = reader.decode(content)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("compression", "predictor"),
    [(None, 1), ("packbits", 1), ("tiff_lzw", 1), ("tiff_lzw", 2), ("tiff_adobe_deflate", 2), ("tiff_deflate", 1)],
)
@pytest.mark.parametrize(
    ("mode", "array"),
    [
        ("L", pixels(1)[..., 0]), ("LA", pixels(2)), ("RGB", pixels(3)), ("RGBA", pixels(4)),
        ("L", pixels(1, np.uint16)[..., 0]), ("1", pixels(1)[..., 0] > 90),
    ],
)  # fmt: skip
def test_what_libtiff_writes_is_read(mode, array, compression, predictor):
    predictor = 1 if mode == "1" else predictor
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "TIFF", compression=compression, tiffinfo={317: predictor})
    header = tiff_header(buffer.getvalue())
    assert header.mode == mode
    expected = array * np.uint8(255) if mode == "1" else array
    np.testing.assert_array_equal(reader.decode(buffer.getvalue()), expected.reshape(40, 50, -1))


def test_what_tifffile_writes_is_read():
    tifffile = pytest.importorskip("tifffile", reason="comes with scikit-image, see requirements/dev.in")
    for num_bands, kind, order, planar in itertools.product((1, 3, 4), (np.uint8, np.uint16), "<>", (False, True)):
        expected = pixels(num_bands, kind)
        for options in ({}, {"compression": "zlib", "predictor": True}, {"tile": (32, 48)}, {"rowsperstrip": 9}):
            written = expected[..., 0] if num_bands == 1 else np.moveaxis(expected, -1, 0) if planar else expected
            layout = {} if num_bands == 1 else {"planarconfig": "separate" if planar else "contig"}
            buffer = io.BytesIO()
            photometric = "rgb" if num_bands == 3 else "minisblack"
            tifffile.imwrite(buffer, written, byteorder=order, photometric=photometric, **layout, **options)
            np.testing.assert_array_equal(reader.decode(buffer.getvalue()), expected)


def test_white_may_be_0():
    np.testing.assert_array_equal(reader.decode(tiff(pixels(1), tags={262: 0})), 255 - pixels(1))


@pytest.mark.parametrize(
    ("extra", "tags", "mode"),
    [
        (NIR, {}, "RGBN"),
        (ALPHA, {}, "RGBA"),
        (1, {}, "RGBA"),  # alpha that the colours are multiplied with
        (NIR, {338: None}, "RGBN"),
        (NIR, {262: 1, 338: (0, 0, 0)}, "RGBN"),  # as GDAL writes 16 bits
    ],
)
def test_the_fourth_band_is_near_infrared_unless_the_file_calls_it_alpha(extra, tags, mode):
    assert tiff_header(tiff(pixels(4), extra=extra, tags=tags)).mode == mode


def test_overviews_beside_the_picture_are_passed_over():
    np.testing.assert_array_equal(reader.decode(tiff(pixels(), following=1 + 1)), pixels())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: tiff(pixels().astype(np.int16)), "samples of 16 bits, signed; whole numbers from 0 on"),
        (lambda: tiff(pixels().astype(np.float32)), "samples of 32 bits, floating-point"),
        (lambda: tiff(pixels().astype(np.uint32)), "samples of 32 bits; whole numbers"),
        (lambda: tiff(pixels(), tags={258: (12,) * 3}), "samples of 12 bits"),
        (lambda: tiff(pixels(), tags={258: (5, 6, 5)}), "samples of 5 and 6 bits"),
        (lambda: tiff(pixels(), tags={259: 7}), "with compression JPEG; none, LZW, deflate and PackBits are read"),
        (lambda: tiff(pixels(), tags={259: 50000}), "with compression ZSTD"),
        (lambda: tiff(pixels(), tags={259: 99}), "with compression kind 99"),
        (lambda: tiff(pixels(), tags={317: 3}), "with predictor 3"),
        (lambda: tiff(pixels(), tags={284: 7}), "with bands in order 7, which is not read"),
        (lambda: tiff(pixels(1), tags={262: 3}), "of a palette; grey and RGB are read"),
        (lambda: tiff(pixels(), tags={262: 6}), "of YCbCr"),
        (lambda: tiff(pixels(4), tags={262: 5}), "of CMYK"),
        (lambda: tiff(np.zeros((8, 8, 5), np.uint8)), "of 5 bands; 1 to 4 are read"),
        (lambda: tiff(pixels(), following=1 + 0), "with several pages, which is not read"),
        (lambda: tiff(pixels(), following=1 + 4), "with a mask beside the picture"),
        (lambda: tiff(pixels(), start=b"II+\0"), "a BigTIFF, which is not read"),
    ],
)  # fmt: skip
def test_another_kind_is_refused_by_name(content, reason):
    with pytest.raises(NotRead, match=reason):
        reader.decode(content())


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({256: 9000}, "9000x40 px, at most 8192 px a side are read"),
        ({256: 8000, 257: 8000}, "8000x8000 px, at most 25,000,000 pixels are read"),
        ({258: (16,) * 3, 256: 5000, 257: 5000}, "143 MiB of pixels, at most 95 MiB are read"),
        ({322: 8192, 323: 8192, 324: 8, 325: 100}, "192 MiB of pixels"),  # one tile, far larger than the picture
        ({322: 2**31, 323: 2**31, 324: 8, 325: 100}, "MiB of pixels"),
        ({257: 8192, 278: 1, 284: 2}, f"24,576 strips or tiles, at most {MAX_BLOCKS:,} are read"),
        ({273: tuple(range(MAX_BLOCKS + 1))}, "16,385 values of its tag 273"),
    ],
)
def test_a_picture_beyond_the_limits_is_refused_before_it_is_unpacked(tags, reason):
    with pytest.raises(BeyondLimits, match=reason):
        reader.decode(tiff(pixels(), tags=tags))


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({256: 0}, "its header claims what no TIFF has"),
        ({256: (1, 2)}, "its tag 256 has 2 values, expected 1"),
        ({278: 0}, "its header claims what no TIFF has"),
        ({322: 0, 323: 16}, "its header claims what no TIFF has"),
        ({273: None}, "it has 0 strips or tiles, expected 1"),
        ({273: 10**6}, "it is cut off, or its strips overlap"),
        ({278: 20, 273: (8, 8), 279: (6000, 6000)}, "it is cut off, or its strips overlap"),
        ({279: 10}, "it has not the pixels that it claims"),
        ({259: 8}, "its compressed pixels are damaged"),
        ({259: 5}, "its compressed pixels are damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(tags, reason):
    with pytest.raises(DamagedImage, match=reason):
        reader.decode(tiff(pixels(), tags=tags))


def test_a_file_that_is_cut_off_anywhere_is_refused():
    for content in (tiff(pixels()), tiff(pixels(4, np.uint16), deflate=True, tile=(16, 16))):
        for length in range(len(content) - 1):
            with pytest.raises(DamagedImage, match=r"^(it|its|not|[0-9]) ?"):
                reader.decode(content[:length])
        assert reader.decode(content).any()
