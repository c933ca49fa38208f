import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps
from small_source import encoded, noise, rectangle

from components.agrivision import RGB_BANDS
from components.records import source_image, tfrecords
from components.records.mask_png import encode_mask
from components.records.source_image import BadImage
from components.records.source_mask import decode_mask

RGB_JPEG = encoded(noise(0, 3), "JPEG")
MASK_PNG = encoded(rectangle(0, 0, 20, 64), "PNG")


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims another size, with a valid checksum."""
    header = b"IHDR" + struct.pack(">II", width, height) + MASK_PNG[24:29]
    return MASK_PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + MASK_PNG[33:]


def jpeg_claiming(width: int, height: int) -> bytes:
    start = RGB_JPEG.index(b"\xff\xc0")
    return RGB_JPEG[: start + 5] + struct.pack(">HH", height, width) + RGB_JPEG[start + 9 :]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"empty file \(0 bytes\)"),
        (b"hello, I am a text\n", "not a readable JPEG, PNG, TIFF or WebP file"),
        (RGB_JPEG[:400], "not a readable JPEG, PNG, TIFF or WebP file"),  # cut off in the header
        (RGB_JPEG[:-300], "damaged or truncated"),
        (RGB_JPEG[:-2], "damaged or truncated"),  # without the end marker
        (encoded(noise(0, 3), "BMP"), "a BMP file, which is not read; expected JPEG, PNG, TIFF or WebP"),
        (encoded(noise(0, 3), "GIF"), "a GIF file, which is not read; expected JPEG, PNG, TIFF or WebP"),
        (encoded(noise(0, 1), "JPEG"), "expected RGB, got 1 band"),
        (jpeg_claiming(9000, 64), "9000x64 px, at most 8192 px a side are read"),
        (jpeg_claiming(65500, 65500), "65500x65500 px, at most 8192 px a side are read"),
        (png_claiming(10_000, 10_000), "10000x10000 px, at most 8192 px"),
        (png_claiming(5_001, 5_000), "5001x5000 px, at most 25,000,000 pixels are read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_decoded_whole_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        source_image.decode_bands(content, 3, source_image.RGB_MODES)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(rectangle(0, 0, 9, 9).point(lambda value: 7 if value else 0), "PNG"), "0 and 255, or 0 and 1, got 7"),
        (encoded(Image.fromarray(np.array([[0, 1, 255]], np.uint8)), "PNG"), "or 0 and 1, got 1 beside 255"),
        (encoded(rectangle(0, 0, 9, 9), "JPEG"), "not a readable PNG or TIFF file"),  # JPEG would smear the edges
        (
            encoded(rectangle(0, 0, 9, 9).convert("RGB"), "PNG"),
            "expected a mask of 1 band of at most 8 bits, or of a palette, got RGB",
        ),
        (MASK_PNG[:-30], "damaged or truncated"),
        (png_claiming(5_000, 5_000), "damaged or truncated"),  # the largest size
        (png_claiming(64, 65), "damaged or truncated"),  # Pillow alone would make up the last row
        (png_claiming(60_000, 60_000), "60000x60000 px, at most 8192 px a side are read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mask_that_is_no_mask_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode_mask(content)


@pytest.mark.parametrize("content", [MASK_PNG, encoded(rectangle(0, 0, 20, 64).convert("1"), "PNG")])
def test_masks_of_8_and_of_1_bit_mean_the_same(content: bytes) -> None:
    mask = decode_mask(content)
    assert mask[:, :20].all()
    assert not mask[:, 20:].any()


def test_large_masks_are_decoded_too() -> None:
    mask = np.random.default_rng(0).random((256, 256)) < 0.5
    content = encoded(Image.fromarray(mask).convert("L"), "PNG")
    assert len(content) > 4096  # past the cache of small files
    assert np.array_equal(decode_mask(content), mask)


@pytest.mark.parametrize(
    "content",
    [
        RGB_JPEG,
        encoded(noise(1, 3), "JPEG", progressive=True, quality=50),
        encoded(noise(1, 1), "JPEG"),
        encoded(noise(1, 3).convert("CMYK"), "JPEG"),
        encoded(noise(1, 3), "PNG"),
        encoded(noise(1, 1), "PNG"),
        encoded(noise(1, 4), "PNG"),
        encoded(noise(1, 3).convert("LA"), "PNG"),
        encoded(noise(1, 3).quantize(16), "PNG"),
        encoded(noise(1, 3).convert("1"), "PNG"),
        encoded(noise(1, 3), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    ],
    ids=["rgb", "progressive", "gray", "cmyk", "png", "png gray", "alpha", "gray alpha", "palette", "1 bit", "rotated"],
)
def test_every_accepted_picture_is_seen_alike_by_the_check_and_by_training(content: bytes) -> None:
    picture = source_image.read_picture(content, 3, source_image.ANY_COLOUR_MODES, is_alone=True)
    checked, stored = picture.pixels, picture.stored()
    image, _ = tfrecords.decode_image(tf.constant(stored), tf.constant(b""), tf.constant(b""), RGB_BANDS, 64, 1)
    assert np.array_equal(checked, image.numpy())
    as_shown = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert np.array_equal(checked, np.asarray(as_shown.convert("RGB")))  # as a person sees it


def test_a_stored_mask_is_what_the_reader_decodes() -> None:
    valid = np.random.default_rng(0).random((64, 64)) < 0.5
    content = encode_mask(valid)
    assert content == encode_mask(valid)
    _, decoded = tfrecords.decode_image(tf.constant(RGB_JPEG), tf.constant(b""), tf.constant(content), RGB_BANDS, 64, 1)
    assert np.array_equal(decoded.numpy()[..., 0], valid)


@pytest.mark.parametrize("num_bands", [1, 3])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_histogram_counts_valid_pixels_only(num_bands: int, share: float) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 30, num_bands), dtype=np.uint8)
    valid = random.random((40, 30)) < share
    expected = [np.bincount(pixels[..., band][valid], minlength=256) for band in range(num_bands)]
    assert np.array_equal(source_image.band_histogram(pixels, valid), expected)
