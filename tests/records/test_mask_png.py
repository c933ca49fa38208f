import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.records import mask_png
from components.records.jpeg import DamagedImage


def unpacked(content: bytes) -> np.ndarray:
    """Returns a mask, 1 where it is white, [H, W]."""
    packed, width = mask_png.packed_mask(content)
    return np.unpackbits(packed, axis=1, count=width)


ROWS, COLUMNS = np.indices((48, 37))
MASKS = {
    "empty": np.zeros((48, 37), np.bool_),
    "full": np.ones((48, 37), np.bool_),
    "corner": (ROWS + COLUMNS > 60),
    "noise": np.random.default_rng(0).random((48, 37)) < 0.5,
    "one pixel": np.ones((1, 1), np.bool_),
    "large": np.add.outer(np.arange(700), np.arange(900)) % 97 < 40,
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_comes_back_whoever_reads_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = MASKS[name]
    content = mask_png.encode_mask(mask)
    assert content == mask_png.encode_mask(mask.copy())
    np.testing.assert_array_equal(tf.io.decode_png(content, channels=1).numpy()[..., 0], mask * np.uint8(255))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), mask)
    # Its own files are read without a PNG decoder.
    monkeypatch.setattr(mask_png.Image, "open", None)
    np.testing.assert_array_equal(unpacked(content), mask)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"compress_level": 0}])
@pytest.mark.parametrize("mode", ["1", "L"])
def test_masks_of_others_are_read_too(mode: str, options: dict[str, object]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(MASKS["corner"]).convert(mode).save(buffer, "PNG", **options)
    np.testing.assert_array_equal(unpacked(buffer.getvalue()), MASKS["corner"])


CONTENT = mask_png.encode_mask(MASKS["noise"])


def with_rows(packed: bytes) -> bytes:
    """The mask with other compressed rows, under a right checksum."""
    rows = b"IDAT" + packed
    return CONTENT[:33] + struct.pack(">I", len(packed)) + rows + struct.pack(">I", zlib.crc32(rows)) + CONTENT[-12:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable PNG"),
        (b"no image", "not a readable PNG"),
        (CONTENT[:30], "it is cut off"),
        (CONTENT[:90], "it is cut off"),
        (CONTENT[:70] + b"\xff\xff" + CONTENT[72:], "a checksum is wrong"),
        (with_rows(zlib.compress(bytes(9))[:-4]), "it has not the rows"),
        (with_rows(b"\xff" * 9), "its compressed rows are damaged"),
        (with_rows(zlib.compress(bytes(2**24))), "it has not the rows"),
        (b"\0" + CONTENT[1:], "not a readable PNG"),
    ],
)
def test_what_is_no_mask_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DamagedImage, match=message):
        mask_png.packed_mask(content)
