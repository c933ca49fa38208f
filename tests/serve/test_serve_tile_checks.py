"""A tile is looked at before anything decodes it, and what only TensorFlow decodes is refused in words of its own."""

import numpy as np
import pytest
from hostile_images import header, png
from jpeg_scans import in_scans, lossless
from tile_shards import BANDS, encode, fake_record

from components.predict.checked import checks_of
from components.serve.refusal import Refusal
from components.serve.tile_checks import check_image_headers

TILE = fake_record(1)
FILES = {"rgb": TILE.rgb, "nir": TILE.nir, "valid_mask": TILE.valid_mask}
COLOUR_16_BIT = png(header(48, 48, 2, 16))


@pytest.mark.parametrize(
    ("files", "pixels", "text"),
    [
        (FILES, 48 * 48 - 1, r"rgb\[0\]: 48x48 px, at most 2,303 pixels are taken"),
        ({**FILES, "nir": b""}, 10**6, r"nir\[7\]: empty file \(0 bytes\); expected a JPEG or PNG"),
        ({**FILES, "rgb": COLOUR_16_BIT}, 10**6, r"rgb\[7\]: a PNG of 16 bits in colour; .* scales 16 bits by 4095"),
        (
            {**FILES, "rgb": in_scans(48, 48, [(1, 4), (1, 1), (1, 1)])},
            10**6,
            r"^rgb\[7\]: a JPEG in CMYK, or of an unusual subsampling; save it as RGB",
        ),
        (
            {**FILES, "nir": lossless(np.zeros((48, 48, 1), np.uint8))},
            10**6,
            r"^nir\[7\]: not a readable JPEG or PNG: a lossless or hierarchical JPEG, which is not read; save it as",
        ),
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
