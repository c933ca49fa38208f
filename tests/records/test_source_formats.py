"""The table of formats holds: what is read stays as it is, what is converted loses nothing, the rest is refused."""

import io
import re

import numpy as np
import pytest
import tensorflow as tf
from jpeg_scans import cut_after_scan, lossless
from PIL import Image, ImageOps
from small_source import encoded, noise, rectangle
from tiff_files import ALPHA, tiff

from components.records import exif
from components.records.source_formats import FORMATS, FULL_16_BIT, KEPT, REFUSED
from components.records.source_image import (
    ANY_COLOUR_MODES,
    FOUR_BAND_MODES,
    NIR_MODES,
    RGB_MODES,
    BadImage,
    as_record_holds,
    nir_as_record_holds,
    read_picture,
    to_8_bits,
)
from components.records.source_mask import read_mask

RGB, GREY = np.asarray(noise(0, 3)), np.asarray(noise(1, 1))
DEEP = np.random.default_rng(0).integers(0, 12_000, (64, 64, 4), np.uint16)
INSIDE = np.zeros((64, 64), bool)
INSIDE[:, :20] = True


def turned(form, orientation=6, image=None, **options):
    tags = Image.Exif()
    tags[271], tags[274] = "a camera", orientation
    return encoded(image or Image.fromarray(RGB), form, exif=tags, **options)


def palette(colours, numbers=INSIDE):
    image = Image.fromarray(numbers.astype(np.uint8)).convert("P")
    image.putpalette([value for colour in colours for value in colour])
    return encoded(image, "PNG")


def animated():
    buffer = io.BytesIO()
    noise(0, 3).save(buffer, "WEBP", save_all=True, append_images=[noise(1, 3)])
    return buffer.getvalue()


def deep_png(num_bands):
    return tf.io.encode_png(DEEP[..., :num_bands]).numpy()


# By row of the table: files of that kind; for masks, each stands for INSIDE.
FILES = {
    "JPEG: RGB, grey or CMYK": [
        encoded(noise(0, 3), "JPEG"), encoded(noise(1, 1), "JPEG"), encoded(noise(0, 3).convert("CMYK"), "JPEG"),
    ],
    "PNG: RGB, grey, palette or 1 bit, with or without alpha": [
        encoded(noise(0, 3).convert(mode), "PNG") for mode in ("RGB", "L", "P", "1", "LA", "RGBA")
    ],
    "PNG of 16 bits, full range": [deep_png(bands) for bands in (1, 2, 3, 4)],
    "PNG of 16 bits, with `shard_max_16_bit`": [deep_png(bands) for bands in (1, 2, 3, 4)],
    "JPEG or PNG that EXIF says is turned": [turned("JPEG"), turned("PNG")],
    "TIFF or GeoTIFF of 8 bits: grey, RGB, with or without alpha": [
        tiff(RGB), tiff(GREY), tiff(np.dstack([RGB, GREY]), extra=ALPHA), encoded(noise(0, 3).convert("LA"), "TIFF"),
        encoded(noise(0, 3).convert("1"), "TIFF"),
    ],
    "TIFF or GeoTIFF of 16 bits": [tiff(DEEP[..., :3]), tiff(DEEP[..., 0], order=">")],
    "TIFF or GeoTIFF of four bands: red, green, blue, near infrared": [tiff(np.dstack([RGB, GREY])), tiff(DEEP)],
    "WebP": [encoded(noise(0, 3), "WEBP"), encoded(noise(0, 4), "WEBP", lossless=True), turned("WEBP")],
    "Mask: PNG or TIFF with 0 and 255, or 1 bit": [
        encoded(Image.fromarray(INSIDE), "PNG"), encoded(rectangle(0, 0, 20, 64), "PNG"),
        encoded(rectangle(0, 0, 20, 64), "TIFF"), encoded(Image.fromarray(INSIDE), "TIFF", compression="tiff_lzw"),
    ],
    "Mask: PNG or TIFF with 0 and 1": [
        encoded(Image.fromarray(INSIDE.astype(np.uint8)), "PNG"), tiff(INSIDE.astype(np.uint8)),
    ],
    "Mask: PNG of a palette, colour 0 black, one other in use": [
        palette([(0, 0, 0), (255, 255, 255)]), palette([(0, 0, 0), (128, 0, 0), (0, 0, 0)]),
        palette([(0, 0, 0)] + [(0, 0, 0)] * 6 + [(9, 9, 9)], INSIDE * 7),
    ],
    "Mask: other values or palettes": [
        palette([(255, 255, 255), (0, 0, 0)]), palette([(0, 0, 0), (0, 0, 0)]),
        palette([(0, 0, 0), (9, 9, 9), (9, 9, 9)], INSIDE + np.eye(64)), encoded(noise(1, 1), "PNG"), tiff(GREY),
        tiff(DEEP[..., 0]), encoded(noise(0, 3), "PNG"),
    ],
    "Mask: turned, by EXIF or the TIFF's own tag": [
        turned("PNG", image=Image.fromarray(INSIDE)), turned("TIFF", 3, image=Image.fromarray(INSIDE)),
        tiff(INSIDE.astype(np.uint8), tags={274: 8}), turned("PNG", image=Image.fromarray(INSIDE).convert("P")),
    ],
    "Mask: JPEG or WebP": [
        encoded(rectangle(0, 0, 20, 64), "JPEG"), encoded(rectangle(0, 0, 20, 64), "WEBP", lossless=True),
    ],
    "JPEG: lossless or hierarchical": [
        lossless(RGB),
        lossless(GREY[..., np.newaxis]), encoded(noise(0, 3), "JPEG").replace(b"\xff\xc0", b"\xff\xc5", 1),
    ],
    "JPEG of 12 or 16 bits": [
        encoded(noise(0, 3), "JPEG").replace(b"\xff\xc0\0\x11\x08", bytes((0xFF, 0xC0, 0, 17, bits)), 1)
        for bits in (12, 16)
    ],
    "JPEG: progressive, without its last scans": [
        cut_after_scan(encoded(noise(0, 3), "JPEG", progressive=True), number) for number in (1, 9)
    ],
    "TIFF: signed, floating-point, 12 or 32 bits": [
        tiff(RGB.astype(kind)) for kind in (np.int16, np.float32, np.uint32)
    ] + [tiff(RGB, tags={258: (12,) * 3})],
    "TIFF: two pictures, or a mask inside": [tiff(RGB, following=1), tiff(RGB, following=5)],
    "TIFF: compression other than LZW, deflate, PackBits": [
        tiff(RGB, tags={259: 7}), encoded(noise(0, 3), "TIFF", compression="jpeg"),
    ],
    "TIFF: palette, CMYK, YCbCr": [
        encoded(noise(0, 3).convert("P"), "TIFF"), encoded(noise(0, 3).convert("CMYK"), "TIFF"),
        tiff(RGB, tags={262: 6}),
    ],
    "TIFF: five bands or more": [tiff(np.dstack([RGB, GREY, GREY]))],
    "BigTIFF": [encoded(noise(0, 3), "TIFF", big_tiff=True)],
    "WebP: animated": [animated()],
    "GIF, BMP, JPEG 2000, HEIC, AVIF, JPEG XL, NetCDF, NumPy": [
        encoded(noise(0, 3), "GIF"), encoded(noise(0, 3), "BMP"), encoded(noise(0, 3), "JPEG2000"),
        encoded(noise(0, 3), "AVIF"), b"\0\0\0\x18ftypheic" + bytes(20), b"\x93NUMPY" + bytes(20),
        b"CDF\x01" + bytes(20), b"\xff\x0a" + bytes(20), b"\x89HDF\r\n" + bytes(20),
    ],
}  # fmt: skip
MAX_16_BIT = {"PNG of 16 bits, with `shard_max_16_bit`": 10_000, "TIFF or GeoTIFF of 16 bits": 4_095}


def test_every_row_has_files():
    assert list(FILES) == [row.what for row in FORMATS]


def seen_by_a_person(content):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))


@pytest.mark.parametrize("row", [row for row in FORMATS if row.fate != REFUSED], ids=lambda row: row.what)
def test_a_format_that_is_read_reaches_the_model_as_the_table_says(row):
    for content in FILES[row.what]:
        if row.what.startswith("Mask"):
            mask = read_mask(content)
            np.testing.assert_array_equal(mask.pixels, INSIDE)
            assert bool(mask.remark) == ("remark" in row.how), mask.remark
            continue
        max_16_bit = MAX_16_BIT.get(row.what, FULL_16_BIT)
        picture = read_picture(content, 3, ANY_COLOUR_MODES, max_16_bit=max_16_bit, is_alone=True)
        stored = picture.stored()
        in_graph = tf.io.decode_jpeg(stored, channels=3, dct_method="INTEGER_ACCURATE").numpy()
        np.testing.assert_array_equal(picture.pixels, in_graph)
        assert (stored == content) == (row.fate == KEPT)
        assert stored.startswith(b"\x89PNG") or row.fate == KEPT
        assert picture.is_16_bit == ("16 bits" in row.what or content == tiff(DEEP))
        if picture.is_16_bit:
            expected = to_8_bits(DEEP[..., :3], max_16_bit)
            if picture.pixels.std(axis=-1).max() == 0:  # grey
                expected = np.repeat(expected[..., :1], 3, axis=-1)
        else:
            expected = seen_by_a_person(content)
        np.testing.assert_array_equal(picture.pixels, expected)


@pytest.mark.parametrize("row", [row for row in FORMATS if row.fate == REFUSED], ids=lambda row: row.what)
def test_a_format_that_is_refused_says_what_it_is(row):
    for content in FILES[row.what]:
        with pytest.raises(BadImage, match=f"^{re.escape(row.how)}") as raised:
            read_mask(content) if row.what.startswith("Mask") else read_picture(content, 3, ANY_COLOUR_MODES)
        assert len(str(raised.value).splitlines()) == 1


def test_four_bands_become_rgb_and_near_infrared():
    for four in (np.dstack([RGB, GREY]), DEEP):
        rgb, nir = as_record_holds(tiff(four, deflate=True), takes_nir=True, max_16_bit=12_000)
        expected = to_8_bits(four, 12_000)
        np.testing.assert_array_equal(tf.io.decode_png(rgb, channels=3), expected[..., :3])
        np.testing.assert_array_equal(tf.io.decode_png(nir, channels=1), expected[..., 3:])


def test_a_fourth_band_that_the_file_calls_alpha_is_near_infrared_if_the_dataset_takes_it():
    content = tiff(np.dstack([RGB, GREY]), extra=ALPHA)
    picture = read_picture(content, 3, FOUR_BAND_MODES, takes_nir=True)
    np.testing.assert_array_equal(picture.nir[..., 0], GREY)
    with pytest.raises(BadImage, match="expected RGB with near infrared, got RGB with alpha"):
        read_picture(content, 3, FOUR_BAND_MODES)
    with pytest.raises(BadImage, match="expected RGB with near infrared, got RGB"):
        as_record_holds(encoded(noise(0, 3), "JPEG"), takes_nir=True)


def test_near_infrared_that_is_not_used_is_remarked():
    picture = read_picture(tiff(np.dstack([RGB, GREY])), 3, ANY_COLOUR_MODES)
    assert picture.remark == "its near infrared is not used, because the dataset is RGB"


def test_near_infrared_of_a_file_of_its_own_may_have_16_bits():
    for content in (tiff(DEEP[..., 0]), deep_png(1)):
        stored = nir_as_record_holds(content, 10_000)
        np.testing.assert_array_equal(tf.io.decode_png(stored, channels=1)[..., 0], to_8_bits(DEEP[..., 0], 10_000))
    with pytest.raises(BadImage, match="expected 1 band, got RGB"):
        nir_as_record_holds(tiff(RGB))


@pytest.mark.parametrize(
    ("value", "max_16_bit", "scaled"),
    [
        (0, 65_535, 0), (255, 65_535, 0), (256, 65_535, 1), (65_535, 65_535, 255), (65_279, 65_535, 254),
        (10_000, 10_000, 255), (9_961, 10_000, 254), (5_000, 10_000, 127), (60_000, 10_000, 255),
        (255, 255, 255), (7, 255, 7), (4_095, 4_095, 255), (16, 4_095, 1),
    ],
)  # fmt: skip
def test_16_bits_are_scaled_by_one_rule(value, max_16_bit, scaled):
    assert to_8_bits(np.array([[value]], np.uint16), max_16_bit) == scaled


def test_8_bits_stay_as_they_are():
    assert to_8_bits(RGB, 10_000) is RGB


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "options"), [("JPEG", {}), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_a_picture_that_exif_says_is_turned_is_turned_or_refused(form, options, orientation):
    content = turned(form, orientation, **options)
    picture = read_picture(content, 3, ANY_COLOUR_MODES, is_alone=True)
    np.testing.assert_array_equal(picture.pixels, seen_by_a_person(content))
    assert (picture.remark == "") == (orientation == 1)
    if orientation == 1:
        assert read_picture(content, 3, RGB_MODES).stored()
        return
    with pytest.raises(BadImage, match=f"EXIF orientation {orientation}: .*; save it upright"):
        read_picture(content, 3, RGB_MODES)


@pytest.mark.parametrize("stated", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_turns_nothing(stated):
    assert exif.orientation(turned("JPEG", stated)) == 1


def test_damaged_exif_turns_nothing():
    content = turned("JPEG")
    start = content.index(b"Exif") + 6
    for at in range(start, start + 20):
        damaged = content[:at] + b"\xee" + content[at + 1 :]
        assert 1 <= exif.orientation(damaged) <= 8
    assert exif.orientation(content[:start] + b"text" + content[start + 4 :]) == 1


def test_a_mode_that_does_not_fit_is_refused_for_any_format():
    for content in (tiff(GREY), encoded(noise(1, 1), "PNG"), deep_png(1)):
        with pytest.raises(BadImage, match="expected RGB, got 1 band"):
            read_picture(content, 3, RGB_MODES)
    with pytest.raises(BadImage, match="expected 1 band, got RGB"):
        read_picture(encoded(noise(1, 3), "WEBP"), 1, NIR_MODES)
