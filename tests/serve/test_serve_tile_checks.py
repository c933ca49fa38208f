"""A tile is looked at before anything decodes it, and what only TensorFlow decodes is refused in words of its own."""

import numpy as np
import pytest
from hostile_images import header, png
from tile_shards import BANDS, encode, fake_record

from components.predict.checked import checks_of
from components.records.tile_record import Record
from components.serve.refusal import Refusal
from components.serve.tile_checks import check_image_headers, check_tile_files

TILE = fake_record(1)
FILES = {"rgb": TILE.rgb, "nir": TILE.nir, "valid_mask": TILE.valid_mask}
COLOUR_16_BIT = png(header(48, 48, 2, 16))


def test_a_good_tile_is_asked_about_with_its_own_bytes():
    found = check_tile_files(FILES, 0, checks_of(BANDS)).record

    assert isinstance(found, Record)
    assert (found.rgb, found.nir) == (TILE.rgb, TILE.nir)


def test_a_mask_that_covers_the_tile_is_none():
    whole = {**FILES, "valid_mask": encode(np.full((48, 48), 255, np.uint8), "PNG")}

    assert check_tile_files(whole, 0, checks_of(BANDS)).record.valid_mask == b""


@pytest.mark.parametrize(
    ("files", "pixels", "text"),
    [
        (FILES, 48 * 48 - 1, r"rgb\[0\]: 48x48 px, at most 2,303 pixels are taken"),
        ({**FILES, "nir": b""}, 10**6, r"nir\[7\]: empty file \(0 bytes\); expected a JPEG or PNG"),
        ({**FILES, "rgb": COLOUR_16_BIT}, 10**6, r"rgb\[7\]: a PNG of 16 bits in colour; .* scales 16 bits by 4095"),
        ({**FILES, "rgb": png()}, 10**6, r"rgb\[7\]: not a readable JPEG or PNG: "),
        (FILES, 48 * 48, r"^the 8 tiles have 18,432 pixels, at most 18,431 are taken in a request; send fewer tiles"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_header(files, pixels, text):
    images = {name: [*[FILES[name]] * 7, content] for name, content in files.items()}
    with pytest.raises(Refusal, match=text):
        check_image_headers(images, checks_of(BANDS, 4095), pixels, 8 * 48 * 48 - 1)


def test_a_tile_counts_by_its_largest_image():
    large = encode(np.zeros((96, 96), np.uint8), "PNG")
    images = {"rgb": [TILE.rgb] * 3, "nir": [TILE.nir, large, TILE.nir], "valid_mask": [b"", b"", large]}

    assert check_image_headers(images, checks_of(BANDS), 10**6, 10**6) == [48 * 48, 96 * 96, 96 * 96]


def test_of_the_full_range_16_bits_need_no_rule():
    with pytest.raises(Refusal, match="damaged or truncated"):  # it has no pixels
        check_tile_files({**FILES, "rgb": COLOUR_16_BIT}, 0, checks_of(BANDS))


def test_a_model_of_rgb_alone_takes_colours_of_any_kind():
    grey = encode(np.arange(48 * 48, dtype=np.uint32).astype(np.uint8).reshape(48, 48), "PNG")

    assert check_tile_files({"rgb": grey}, 0, checks_of(BANDS[:3])).record.rgb == grey
