import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from tile_shards import BANDS, encode, fake_record

from components.records import tfrecords
from components.records.jpeg import DamagedImage
from components.records.mask_png import encode_mask
from components.records.tile_decoder import decode_tile
from components.records.tile_record import Record

MASK = np.add.outer(np.arange(48), np.arange(48)) > 40


def decoded(record: Record, size_px: int, ratio: int, num_bands: int = 4) -> tuple[np.ndarray, np.ndarray]:
    parts = [np.empty((size_px, size_px, 3), np.uint8), np.empty((size_px, size_px, 1), np.uint8)][: num_bands - 2]
    valid_bits = np.empty((1, size_px, -(-size_px // 8)), np.uint8)
    decode_tile(record, ratio, parts, valid_bits[0])
    return np.concatenate(parts, axis=-1), tfrecords.unpack_bits(tf.constant(valid_bits)).numpy()[0]


@pytest.mark.parametrize(("size_px", "ratio"), [(48, 1), (24, 1), (24, 2), (20, 2), (12, 4), (30, 1), (64, 1), (33, 1)])
@pytest.mark.parametrize("mask", [b"", encode_mask(MASK), encode(MASK * np.uint8(255), "PNG")])
@pytest.mark.parametrize("bands", [BANDS, BANDS[:3]])
def test_a_tile_is_what_the_exported_model_decodes(
    size_px: int, ratio: int, mask: bytes, bands: tuple[str, ...]
) -> None:
    record = dataclasses.replace(fake_record(1), valid_mask=mask)
    if len(bands) == 3:
        record = dataclasses.replace(record, nir=b"")
    image, valid = decoded(record, size_px, ratio, len(bands))
    content = [tf.constant(text) for text in (record.rgb, record.nir, record.valid_mask)]
    expected_image, expected_valid = tfrecords.decode_image(*content, bands, size_px, ratio)
    np.testing.assert_array_equal(image, expected_image)
    np.testing.assert_array_equal(valid, expected_valid)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nir": encode(np.zeros((40, 40), np.uint8))}, "not of one size"),
        ({"rgb": b"no image"}, "."),
        ({"valid_mask": b"no image"}, "valid_mask: not a readable PNG"),
    ],
)
def test_what_cannot_be_decoded_is_said(changes: dict[str, bytes], reason: str) -> None:
    with pytest.raises(DamagedImage, match=reason):
        decoded(dataclasses.replace(fake_record(1), **changes), 48, 1)
