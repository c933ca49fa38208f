import io
import time

import numpy as np
import pytest
import tensorflow as tf
from jpeg_scans import cut_after_scan, in_scans, lossless
from numpy.typing import NDArray
from PIL import Image

from components.records import jpeg
from components.records.jpeg import DamagedImage


def picture(height: int, width: int, mode: str) -> Image.Image:
    coarse = np.random.default_rng(height * width).integers(0, 256, (height // 8 + 2, width // 8 + 2, 4), np.uint8)
    bands = [Image.fromarray(coarse[..., band]).resize((width, height), Image.Resampling.BICUBIC) for band in range(4)]
    return bands[0] if mode == "L" else Image.merge(mode, bands[: len(mode)])


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def by_tensorflow(content: bytes, num_bands: int, ratio: int) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = tf.io.decode_jpeg(
        content, channels=num_bands, ratio=ratio, dct_method="INTEGER_ACCURATE"
    ).numpy()
    return pixels


@pytest.mark.parametrize("size", [(64, 64), (100, 37), (17, 33), (1, 1), (8, 200)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}])
def test_pixels_are_those_of_tensorflow_to_the_bit(
    size: tuple[int, int], mode: str, options: dict[str, object]
) -> None:
    content = encoded(picture(*size, mode), quality=85, **({} if mode == "L" else options))
    for num_bands in (1, 3) if mode != "CMYK" else (3,):
        for ratio in (1, 2, 4, 8):
            expected = by_tensorflow(content, num_bands, ratio)
            np.testing.assert_array_equal(jpeg.decode(content, num_bands, ratio), expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1"])
def test_a_png_is_decoded_as_tensorflow_does(mode: str) -> None:
    content = encoded(picture(20, 30, "RGB").convert(mode), "PNG")
    np.testing.assert_array_equal(jpeg.decode(content, 3), by_tensorflow(content, 3, 1))


def test_pixels_go_where_they_are_wanted_if_they_fit() -> None:
    content = encoded(picture(16, 24, "RGB"))
    batch = np.zeros((3, 16, 24, 3), np.uint8)
    place = batch[1]
    assert jpeg.decode(content, 3, into=place) is place
    np.testing.assert_array_equal(batch[1], by_tensorflow(content, 3, 1))
    assert not batch[[0, 2]].any()
    untouched = np.zeros((16, 16, 3), np.uint8)
    assert jpeg.decode(content, 3, into=untouched).shape == (16, 24, 3)
    assert not untouched.any()


WHOLE = encoded(picture(64, 64, "RGB"), quality=90)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither a JPEG nor a PNG"),
        (b"no image", "neither a JPEG nor a PNG"),
        (WHOLE[:20], "cut off within its header"),
        (WHOLE[:-40], "Premature end of JPEG file"),
        (WHOLE[:-2], "Premature end of JPEG file"),
        # TensorFlow's decoder steps over these with a warning that nobody sees.
        (WHOLE[:900] + bytes([0xFF, 0xD9]) + WHOLE[902:], "premature end of data segment"),
    ],
)
def test_damage_is_refused_and_not_stepped_over(content: bytes, message: str) -> None:
    with pytest.raises(DamagedImage, match=message):
        jpeg.decode(content, 3)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_progressive_jpeg_without_its_last_scans_is_refused_since_decoders_guess_them(mode: str) -> None:
    content = encoded(picture(64, 64, mode), quality=90, progressive=True)
    for number in range(1, content.count(b"\xff\xda")):
        for ratio in (1, 2, 8):
            with pytest.raises(DamagedImage, match="cut off: its last scans are missing"):
                jpeg.decode(cut_after_scan(content, number), 3, ratio)
    np.testing.assert_array_equal(jpeg.decode(content, 3), by_tensorflow(content, 3, 1))


@pytest.mark.parametrize("samplings", [[(1, 1)] * 3, [(2, 2), (1, 1), (1, 1)], [(1, 4), (1, 1), (1, 1)], [(1, 1)]])
def test_components_may_have_a_scan_each_but_none_may_be_missing(samplings: list[tuple[int, int]]) -> None:
    content = in_scans(64, 48, samplings)

    assert jpeg.needs_tensorflow(content) == ((1, 4) in samplings), "which TurboJPEG cannot name"
    for ratio in (1, 2):
        np.testing.assert_array_equal(jpeg.decode(content, 3, ratio), by_tensorflow(content, 3, ratio))
    for number in range(1, len(samplings)):
        with pytest.raises(DamagedImage, match="cut off: its last scans are missing"):
            jpeg.decode(cut_after_scan(content, number), 3)


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_a_jpeg_of_a_few_pixels_is_scaled_down_as_tensorflow_does(ratio: int) -> None:
    for height in range(1, 11):
        for width in range(1, 11):
            content = encoded(picture(height, width, "L"), quality=95)
            np.testing.assert_array_equal(jpeg.decode(content, 1, ratio), by_tensorflow(content, 1, ratio))


def test_a_flood_of_segments_between_scans_is_refused_and_data_without_markers_costs_little() -> None:
    content = encoded(picture(64, 64, "RGB"), progressive=True)
    at = content.rindex(b"\xff\xda")
    with pytest.raises(DamagedImage, match="at most 10,000 segments are read"):
        jpeg.decode(content[:at] + b"\xff\xfe\0\2" * 1_000_000 + content[at:], 3)
    start = time.process_time()
    with pytest.raises(DamagedImage, match="Premature end of JPEG file"):
        jpeg.decode(content[:-2] + b"\xff" * 8_000_000 + b"\0", 3)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
@pytest.mark.parametrize("num_bands", [1, 3])
def test_a_lossless_jpeg_is_not_read_since_the_decoder_would_write_past_its_array(ratio: int, num_bands: int) -> None:
    content = lossless(np.random.default_rng(1).integers(0, 256, (64, 64, num_bands), np.uint8))

    with pytest.raises(
        DamagedImage, match="a lossless or hierarchical JPEG, which is not read; save it as a usual JPEG"
    ):
        jpeg.decode(content, num_bands, ratio)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG"):
        by_tensorflow(content, num_bands, ratio)


@pytest.mark.parametrize("bits", [2, 12, 16])
def test_a_jpeg_of_other_than_8_bits_is_not_read(bits: int) -> None:
    start = WHOLE.index(b"\xff\xc0") + 4
    with pytest.raises(DamagedImage, match=f"a JPEG of {bits} bits, which is not read; save it with 8 bits, or as PNG"):
        jpeg.decode(WHOLE[:start] + bytes([bits]) + WHOLE[start + 1 :], 3)


def test_a_header_that_only_a_decoder_sees_is_refused() -> None:
    """A decoder steps over the two bytes before it, where a reader of segments takes it for a segment's content."""
    for hidden in (lossless(np.zeros((64, 64, 1), np.uint8)), encoded(picture(16, 16, "L"))):
        length = (len(hidden) - 2 + 2).to_bytes(2)
        content = WHOLE[:2] + b"\xff\0" + length + hidden[2:] + WHOLE[2:]
        with pytest.raises(DamagedImage, match="its header holds bytes that belong to nothing"):
            jpeg.decode(content, 1, 2)
