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


@pytest.mark.parametrize("stored_px", [48, 24])  # in the source's size, and stored smaller
@pytest.mark.parametrize("size_px", [48, 24, 16, 12, 6, 32, 20, 64])
def test_the_masks_of_the_classes_are_the_same_for_both_decoders_and_move_with_the_valid_mask(
    stored_px: int, size_px: int
) -> None:
    mask = MASK[:stored_px, :stored_px]
    files = (encode_mask(mask), b"", encode(mask * np.uint8(255), "PNG"), encode_mask(~mask))
    record = dataclasses.replace(
        fake_record(1, stored_px, num_classes=4), label_masks=files, valid_mask=encode_mask(mask)
    )
    parts = [np.empty((size_px, size_px, 3), np.uint8), np.empty((size_px, size_px, 1), np.uint8)]
    width = -(-size_px // 8)
    valid_bits = np.empty((size_px, width), np.uint8)
    mask_bits = np.full((4, size_px, width), 0b1010_1010, np.uint8)  # of an earlier batch
    decode_tile(record, 1, parts, valid_bits, mask_bits)
    planes = np.unpackbits(mask_bits, axis=2, count=size_px)
    np.testing.assert_array_equal(planes, tfrecords.decode_label_masks(tf.constant(list(files)), record.rgb, size_px))
    np.testing.assert_array_equal(planes[0], np.unpackbits(valid_bits, axis=1, count=size_px))
    np.testing.assert_array_equal(planes[2], planes[0])
    np.testing.assert_array_equal(planes[3], 1 - planes[0])
    assert not planes[1].any()


@pytest.mark.parametrize(
    ("label_masks", "reason"),
    [
        ((), "it has 0 label_masks, expected 3"),
        ((b"", b"no image", b""), "label mask 1: not a readable PNG"),
        ((b"", b"", encode_mask(np.ones((48, 40), bool))), "label mask 2: 40x48 px, but the rgb has 48x48 px"),
        ((encode_mask(np.ones((96, 96), bool)),) * 3, "label mask 0: 96x96 px, but the rgb has 48x48 px"),
    ],
)
def test_a_wanted_mask_that_is_not_there_or_damaged_is_named(label_masks: tuple[bytes, ...], reason: str) -> None:
    record = dataclasses.replace(fake_record(1), label_masks=label_masks)
    parts = [np.empty((48, 48, 3), np.uint8), np.empty((48, 48, 1), np.uint8)]
    with pytest.raises(DamagedImage, match=reason):
        decode_tile(record, 1, parts, np.empty((48, 6), np.uint8), np.empty((3, 48, 6), np.uint8))


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
