"""What the passes learn of maps: a fair sample of val, and exact sums of test, however many fields there are."""

import dataclasses

import numpy as np
import pytest
from tile_shards import fake_record

from components.errors import DataError
from components.evaluate.dense import dense_pass
from components.evaluate.dense.dense_pass import KEPT_TILES, DensePass, PixelSums, ValSample
from components.evaluate.dense.truth import truth_of
from components.records.mask_png import encode_mask
from components.scoring.dense.pixel_classes import pixel_classes
from components.scoring.overlap_iou import pixel_confusion

RECORDS = [fake_record(number, 48, label_masks=True) for number in range(24)]
HALF = (0.5,) * 3


def maps_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(0, 2, (6, 6, 3)).astype(np.float32)


class Model:
    """Answers like an AskedModel with a dense head; remembers how many tiles it was asked about at a time."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._next = 0

    def dense(self, images, num_classes):
        self.asked.append(len(images["rgb"]))
        maps = np.stack([maps_of(self._next + place) for place in range(self.asked[-1])])
        self._next += self.asked[-1]
        return maps.mean(axis=(1, 2)), maps


def seen(sums, records=RECORDS):
    for number, record in enumerate(records):
        sums.see(record, maps_of(number))
    return sums


def test_the_sums_are_those_of_every_pixel():
    sums = seen(PixelSums(HALF))
    expected = {}
    for number, record in enumerate(RECORDS):
        truth = truth_of(record, 3)
        predicted = pixel_classes(maps_of(number), HALF, 48, 48)
        planes = {c: truth.plane(bits) for c, bits in truth.labels.items()}
        matrix = pixel_confusion(predicted, planes, truth.plane(truth.valid), 3)
        expected[record.field_id] = expected.get(record.field_id, 0) + matrix
    assert sorted(sums.by_unit) == sorted(expected)
    assert all((sums.by_unit[field] == matrix).all() for field, matrix in expected.items())
    assert sums.num_pixels == sum(np.bitwise_count(truth_of(record, 3).valid).sum() for record in RECORDS)
    assert len(sums.shares_right) == len(RECORDS)
    assert len(sums.kept) == KEPT_TILES


def test_more_fields_than_can_be_kept_apart_are_grouped_and_lose_nothing():
    apart, grouped = seen(PixelSums(HALF)), seen(PixelSums(HALF, most_units=3))
    assert len(apart.by_unit) == 6
    assert all(name.startswith("group ") for name in grouped.by_unit)
    assert len(grouped.by_unit) <= 3
    assert (sum(grouped.by_unit.values()) == sum(apart.by_unit.values())).all()


def test_a_tile_of_unknown_field_is_one_of_its_own():
    sums = seen(PixelSums(HALF), [dataclasses.replace(record, field_id="") for record in RECORDS[:3]])
    assert sorted(sums.by_unit) == sorted(record.tile_id for record in RECORDS[:3])


def test_a_tile_without_a_valid_pixel_has_no_share():
    nothing = encode_mask(np.zeros((48, 48), bool))
    sums = seen(PixelSums(HALF), [dataclasses.replace(RECORDS[0], valid_mask=nothing)])
    assert np.isnan(sums.shares_right).tolist() == [True]
    assert sums.num_pixels == 0


@pytest.mark.parametrize(("num_tiles", "of_tile"), [(24, 4_096), (1_000, 262), (10**6, 1)])
def test_a_sample_of_val_stays_small_and_takes_all_tiles_alike(num_tiles, of_tile):
    sample = ValSample(num_tiles, 3)
    seen(sample)
    sizes = [len(of) for of in sample._logits]
    assert max(sizes) <= of_tile
    assert sum(sizes) == pytest.approx(24 * of_tile, rel=0.3)


def test_the_sample_holds_valid_pixels_with_their_labels():
    sample = ValSample(1, 3)
    record = RECORDS[1]
    truth = truth_of(record, 3)
    # At each place the logit of class c says where it is: maps of one pixel a place are values, not blends.
    rows, columns = np.indices((48, 48))
    maps = np.stack([rows, columns, rows * 0], axis=-1).astype(np.float32)
    sample.see(record, maps)
    (logits,), (labels,) = sample._logits, sample._labels
    at = tuple(logits[:, :2].round().astype(int).T)
    assert truth.plane(truth.valid)[at].all()
    for c in range(3):
        expected = truth.plane(truth.labels[c])[at] if c in truth.labels else np.zeros(len(labels), bool)
        assert ((labels >> c & 1).astype(bool) == expected).all()


def test_one_call_answers_for_tiles_and_places_in_order(monkeypatch):
    monkeypatch.setattr(dense_pass, "tiles_with_maps", lambda size_px, num_classes: 5)
    model, found = Model(), []
    asking = DensePass(model, 3, 48, lambda record, maps: found.append((record.tile_id, maps)))
    logits = np.concatenate([asking.answer(RECORDS[:12]), asking.answer(RECORDS[12:])])
    asking.finish()
    assert model.asked == [5, 5, 2, 5, 5, 2]
    assert [name for name, _ in found] == [record.tile_id for record in RECORDS]
    assert all((maps == maps_of(number)).all() for number, (_, maps) in enumerate(found))
    np.testing.assert_array_equal(logits, [maps_of(number).mean(axis=(0, 1)) for number in range(24)])


def test_what_is_wrong_with_a_mask_ends_the_pass():
    asking = DensePass(Model(), 3, 48, PixelSums(HALF).see)
    asking.answer([dataclasses.replace(RECORDS[0], label_masks=())])
    with pytest.raises(DataError, match="it has 0 label_masks, expected 3"):
        asking.finish()
    with pytest.raises(DataError, match="it has 0 label_masks, expected 3"):
        asking.answer(RECORDS[:1])
    asking.close()
