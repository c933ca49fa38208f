import functools
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from mutations import mutations
from numpy.typing import NDArray
from PIL import Image

from components.records import jpeg, png
from components.records.png import DamagedImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ROWS, COLUMNS = np.indices((50, 37))
MASK = ((ROWS - 20) ** 2 + COLUMNS**2 < 900) ^ (ROWS * COLUMNS % 7 == 3)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def written(
    rows: bytes, width: int, height: int, depth: int, colour_type: int, *, interlace: int = 0, extra: bytes = b""
) -> bytes:
    """A PNG with these rows, each beginning with the number of its filter."""
    header = struct.pack(">II5B", width, height, depth, colour_type, 0, 0, interlace)
    packed = zlib.compress(rows)
    half = len(packed) // 2
    parts = (chunk(b"IHDR", header), extra, chunk(b"IDAT", packed[:half]), chunk(b"IDAT", packed[half:]))
    return SIGNATURE + b"".join(parts) + chunk(b"IEND", b"")


def random_rows(width: int, height: int, bits: int) -> bytes:
    """Rows of noise with each kind of filter."""
    random = np.random.default_rng(bits)
    length = -(-width * bits // 8)
    return b"".join(bytes([row % 5]) + random.bytes(length) for row in range(height))


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def by_tensorflow(content: bytes, num_bands: int) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = tf.io.decode_png(content, channels=num_bands).numpy()
    return pixels


PALETTE = chunk(b"PLTE", np.random.default_rng(5).bytes(768))
KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)]


@pytest.mark.parametrize(("colour_type", "depth"), KINDS)
@pytest.mark.parametrize("num_bands", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (13, 20)])
def test_every_kind_of_png_has_the_pixels_that_tensorflow_gives_it(
    colour_type: int, depth: int, num_bands: int, size: tuple[int, int]
) -> None:
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    rows = random_rows(*size, depth * samples)
    content = written(rows, *size, depth, colour_type, extra=PALETTE if colour_type == 3 else b"")
    np.testing.assert_array_equal(jpeg.decode(content, num_bands), by_tensorflow(content, num_bands))


@pytest.mark.filterwarnings("ignore:Palette images")
@pytest.mark.parametrize(
    ("colour_type", "extra"),
    [
        (0, chunk(b"tRNS", b"\0\x07")),
        (2, chunk(b"tRNS", b"\0\1\0\2\0\3")),
        (3, PALETTE + chunk(b"tRNS", bytes(range(256)))),
        (2, chunk(b"gAMA", struct.pack(">I", 100_000))),
        (2, chunk(b"sRGB", b"\0") + chunk(b"pHYs", struct.pack(">IIB", 3, 5, 1)) + chunk(b"tEXt", b"a\0b")),
    ],
    ids=["grey", "rgb", "palette", "gamma", "others"],
)
def test_transparency_and_colour_profiles_change_no_pixel(colour_type: int, extra: bytes) -> None:
    rows = random_rows(9, 11, 24 if colour_type == 2 else 8)
    content = written(rows, 9, 11, 8, colour_type, extra=extra)
    np.testing.assert_array_equal(jpeg.decode(content, 3), by_tensorflow(content, 3))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 8), (21, 13)])
def test_interlaced_images_are_read_too(size: tuple[int, int]) -> None:
    width, height = size
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    pixels = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    parts = [pixels[y::step_y, x::step_x] for x, y, step_x, step_y in passes]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    content = written(rows, width, height, 8, 0, interlace=1)
    np.testing.assert_array_equal(png.decode_black_and_white(content), pixels)
    np.testing.assert_array_equal(jpeg.decode(content, 3), by_tensorflow(content, 3))
    with pytest.raises(DamagedImage, match="has not the rows"):
        png.decode(written(rows[:-1], width, height, 8, 0, interlace=1), 1)


@pytest.mark.parametrize("mode", ["L", "1"])
@pytest.mark.parametrize("values", [(0, 255), (0, 1), (1, 1), (0, 0)])
def test_masks_are_decoded_whatever_their_two_values(mode: str, values: tuple[int, int]) -> None:
    mask = np.where(MASK, *(np.uint8(value) for value in values))
    content = saved(Image.fromarray(mask).convert(mode))
    np.testing.assert_array_equal(png.decode_black_and_white(content), by_tensorflow(content, 1)[..., 0])


WHOLE = MASK * np.uint8(255)
FILTERED = b"".join(b"\0" + row.tobytes() for row in WHOLE)


def of_rows(rows: bytes, height: int = 50) -> bytes:
    return written(rows, 37, height, 8, 0)


@pytest.mark.parametrize("decode", [png.decode_black_and_white, lambda content: png.decode(content, 1)])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a readable PNG"),
        (SIGNATURE, "cut off"),
        (of_rows(FILTERED)[:-1], "cut off"),
        (of_rows(FILTERED)[:-12], "cut off"),  # without its end
        (SIGNATURE + of_rows(FILTERED)[33:], "does not begin with a header"),
        (SIGNATURE + chunk(b"IHDR", b"\0" * 13) + chunk(b"IEND", b""), "no PNG has"),
        (of_rows(FILTERED).replace(b"IEND", b"IENE"), "checksum"),
        (of_rows(FILTERED, 51), "not the rows"),  # Pillow alone would make up the last one
        (of_rows(FILTERED, 49), "not the rows"),  # and overlook that there are more
        (of_rows(FILTERED[:-1]), "not the rows"),
        (of_rows(FILTERED + b"\0"), "not the rows"),
        (of_rows(FILTERED + FILTERED), "not the rows"),
        (written(b"\7" + FILTERED[1:], 37, 50, 8, 0), "not a readable PNG"),  # there is no such filter
        # What keeps TensorFlow's decoder from going on.
        (written(FILTERED, 37, 50, 8, 0, extra=chunk(b"ABCD", b"x")), "a chunk ABCD, which no reader of PNG knows"),
        (written(FILTERED, 37, 50, 8, 0, extra=chunk(b"a1Cd", b"x")), "a name that no PNG has"),
        (written(FILTERED, 37, 50, 8, 0, extra=chunk(b"\xff\xfea\n", b"")), "a name that no PNG has"),
        (written(FILTERED, 37, 50, 8, 0, extra=chunk(b"PLTE", b"")), "an empty palette"),
    ],
)
def test_a_png_that_is_not_whole_and_sound_is_refused(
    decode: Callable[[bytes], object], content: bytes, reason: str
) -> None:
    with pytest.raises(DamagedImage, match=reason):
        decode(content)


def test_a_small_file_that_claims_little_and_unpacks_to_much_is_refused_unpacked() -> None:
    bomb = written(b"\0" * 50_000_000, 37, 50, 8, 0)
    for decode in (png.decode_black_and_white, functools.partial(png.decode, num_bands=1)):
        with pytest.raises(DamagedImage, match="not the rows"):
            decode(bomb)


def test_damage_never_changes_a_pixel_unseen() -> None:
    content = saved(Image.fromarray(WHOLE))
    num_refused = 0
    for damaged in mutations(content, 400, seed=0):
        try:
            np.testing.assert_array_equal(png.decode_black_and_white(damaged), WHOLE)
        except DamagedImage:
            num_refused += 1
    assert num_refused > 300


def header_of(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">II5B", width, height, 8, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (  # Pillow takes its size from the second one, and would make up the last row
            SIGNATURE
            + header_of(4, 19)
            + header_of(4, 20)
            + chunk(b"IDAT", zlib.compress(bytes(5 * 19)))
            + chunk(b"IEND", b""),
            "it has two headers",
        ),
        (  # 3.4 GB, if memory were taken by the header
            SIGNATURE + header_of(60_000, 60_000) + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b""),
            "60000x60000 px, at most 8192 px a side are read",
        ),
        (
            SIGNATURE + header_of(5, 0) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""),
            "its header claims what no PNG has",
        ),
    ],
    ids=["two headers", "far too large", "no rows"],
)
@pytest.mark.parametrize("read", [png.decode_black_and_white, functools.partial(png.decode, num_bands=1)])
def test_a_header_is_not_believed(content: bytes, message: str, read: Callable[[bytes], object]) -> None:
    tracemalloc.start()
    with pytest.raises(DamagedImage, match=message):
        read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
