"""The masks of a record, and what is wrong with them."""

import dataclasses

import numpy as np
import pytest
from hostile_images import header, png
from tile_shards import encode, fake_record

from components.errors import DataError
from components.evaluate.dense.truth import truth_of
from components.records.mask_png import encode_mask

RECORD = fake_record(1, 48, label_masks=True)
WHOLE = np.ones((48, 48), bool)


def test_planes_are_those_of_the_record():
    truth = truth_of(RECORD, 3)
    assert (truth.height, truth.width) == (48, 48)
    assert sorted(truth.labels) == [c for c, content in enumerate(RECORD.label_masks) if content]
    assert not truth.plane(truth.valid)[-6:, -6:].any()
    assert truth.plane(truth.valid)[:42].all()
    for c, bits in truth.labels.items():
        assert encode_mask(truth.plane(bits)) == RECORD.label_masks[c]


def test_without_a_valid_mask_every_pixel_counts():
    truth = truth_of(dataclasses.replace(RECORD, valid_mask=b""), 3)
    assert truth.plane(truth.valid).all()


def test_bits_behind_the_last_pixel_of_a_row_do_not_count():
    masks = encode_mask(np.ones((5, 13), bool)), b"", b""
    record = dataclasses.replace(RECORD, rgb=encode(np.zeros((5, 13, 3), np.uint8)), valid_mask=b"", label_masks=masks)
    truth = truth_of(record, 3)
    assert np.bitwise_count(truth.valid).sum() == np.bitwise_count(truth.labels[0]).sum() == 5 * 13


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label_masks": ()}, "it has 0 label_masks, expected 3"),
        ({"label_masks": (b"no image", b"", b"")}, "label mask 0: not a readable PNG"),
        ({"label_masks": (b"", encode_mask(WHOLE[:24]), b"")}, "label mask 1: 48x24 px, but the rgb has 48x48 px"),
        ({"label_masks": (b"", b"", png(header(20_000, 20_000)))}, "label mask 2: 20000x20000 px"),
        ({"label_masks": (encode_mask(WHOLE)[:-20], b"", b"")}, "label mask 0: "),
        ({"valid_mask": encode_mask(WHOLE[:, :40])}, "valid_mask: 40x48 px, but the rgb has 48x48 px"),
        ({"rgb": b"no image"}, "neither a JPEG nor a PNG"),
    ],
)
def test_a_mask_that_cannot_be_read_is_named(changes, reason):
    damaged = dataclasses.replace(RECORD, **changes)
    with pytest.raises(DataError, match=rf"the masks of tile '{RECORD.tile_id}' cannot be read: {reason}.*verify"):
        truth_of(damaged, 3)
