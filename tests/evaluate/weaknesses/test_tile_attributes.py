"""What an evaluation knows of a tile besides its labels."""

import dataclasses
import shutil
import time

import numpy as np
import pytest
from hostile_images import header, png
from tile_shards import BANDS, CLASSES, encode, fake_record, manifest_of, write_split

from components.contracts import FieldSums
from components.dataset.field_file import field_file
from components.dataset.field_table import FieldTable
from components.evaluate.weaknesses.tile_attributes import BRIGHTNESS, NDVI, VALID_SHARE, YEAR, attributes_of, years_of
from components.records import jpeg
from components.records.mask_png import encode_mask, packed_mask

SIDE = 64
GREY = np.full((SIDE, SIDE, 3), 102, np.uint8)
LEFT = np.arange(SIDE)[np.newaxis] < SIDE // 2


def tile(rgb=GREY, nir=None, mask=None, kind="JPEG"):
    return dataclasses.replace(
        fake_record(0),
        rgb=encode(rgb, kind),
        nir=b"" if nir is None else encode(nir, kind),
        valid_mask=b"" if mask is None else encode_mask(mask),
    )


def halves(left, right, *, bands):
    row = np.where(LEFT, left, right).astype(np.uint8).repeat(SIDE, axis=0)
    return np.repeat(row[..., np.newaxis], 3, axis=-1) if bands == 3 else row


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (1.0, 0.4, np.nan)),
        ({"nir": np.full((SIDE, SIDE), 204, np.uint8)}, (1.0, 0.4, 1 / 3)),
        ({"nir": np.full((SIDE, SIDE), 51, np.uint8)}, (1.0, 0.4, -1 / 3)),
        ({"rgb": GREY * 0, "nir": GREY[..., 0] * 0}, (1.0, 0.0, 0.0)),  # nothing divided by nothing
        # What is not valid does not count.
        ({"rgb": halves(102, 255, bands=3), "nir": halves(204, 0, bands=1), "mask": LEFT.repeat(SIDE, 0)}, None),
        ({"mask": np.zeros((SIDE, SIDE), bool)}, (0.0, np.nan, np.nan)),
    ],
)
def test_attributes_are_means_over_the_valid_pixels(kind, options, expected):
    (found,) = attributes_of([tile(**options, kind=kind)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:3], (0.5, 0.4, 1 / 3) if expected is None else expected, atol=0.004)


def test_an_eighth_of_the_size_tells_the_same_as_all_pixels():
    records = [fake_record(number, size_px=256) for number in range(24)]
    found = attributes_of(records)
    for record, row in zip(records, found, strict=True):
        rgb, nir = jpeg.decode(record.rgb, 3).astype(float), jpeg.decode(record.nir, 1)[..., 0].astype(float)
        valid = np.ones(nir.shape, bool)
        if record.valid_mask:
            packed, width = packed_mask(record.valid_mask)
            valid = np.unpackbits(packed, axis=1, count=width).astype(bool)
        assert row[VALID_SHARE] == pytest.approx(valid.mean())
        assert row[BRIGHTNESS] == pytest.approx(rgb[valid].mean() / 255, abs=0.002)
        red = rgb[..., 0]
        assert row[NDVI] == pytest.approx(((nir - red) / np.maximum(nir + red, 1))[valid].mean(), abs=0.02)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"rgb": png(header(20_000, 20_000))}, []),  # 1.2 GB by its header
        ({"rgb": b""}, []),
        ({"valid_mask": png(header(20_000, 20_000, depth=1))}, []),
        ({"nir": png(header(30_000, 30_000))}, [VALID_SHARE, BRIGHTNESS]),
        ({"nir": encode(np.zeros((8, 8), np.uint8))}, [VALID_SHARE, BRIGHTNESS]),  # of another size than RGB
    ],
)
def test_a_hostile_image_is_refused_by_its_header_and_leaves_its_tile_without_the_attribute(changes, known):
    records = [fake_record(number) for number in range(3)]
    records[1] = dataclasses.replace(records[1], **changes)
    start = time.monotonic()
    found = attributes_of(records)
    assert time.monotonic() - start < 1
    assert np.flatnonzero(np.isfinite(found[1])).tolist() == known
    assert np.isfinite(found[[0, 2], :3]).all()


def test_no_tiles_have_no_attributes():
    assert attributes_of([]).shape == (0, 4)


def dataset_of(tmp_path, rows, **changes):
    """A manifest whose sums by field, (split, field, year), lie beside it."""
    splits = {"test": write_split(tmp_path, [fake_record(number) for number in range(4)], 1)}
    table = FieldTable(CLASSES, len(BANDS))
    for split, field, year in rows:
        table.add(split, [FieldSums(field, year, 1, 1, {}, {}, (0,) * 4, (0,) * 4)])
    with field_file(table) as (path, sha256):
        manifest = manifest_of(splits, 48, fields_sha256=sha256, **changes)
        folder = tmp_path / "datasets" / manifest.dataset_id
        folder.mkdir(parents=True)
        shutil.copy(path, folder)
    return manifest


@pytest.mark.parametrize(
    ("rows", "years", "note"),
    [
        ([("test", "A", 2018), ("test", "B", 2019), ("val", "C", 2017)], {"A": 2018, "B": 2019}, ""),
        (
            [("test", "A", 2018), ("test", "B", 2018), ("test", "B", 2019)],
            {"A": 2018},
            "1 field was flown",
        ),
        ([("test", "A", 0)], {}, "the layout paper-2020 does not tell it"),
    ],
)
def test_a_field_has_the_year_that_the_dataset_gives_it(tmp_path, rows, years, note):
    found, why = years_of(str(tmp_path), dataset_of(tmp_path, rows), "test")
    assert found == years
    assert note in why
    assert bool(note) == bool(why)
    records = [dataclasses.replace(fake_record(number), field_id=field) for number, field in enumerate("ABX")]
    expected = [years.get(field, np.nan) for field in "ABX"]
    np.testing.assert_array_equal(attributes_of(records, found)[:, YEAR], np.float32(expected))


def test_without_sums_by_field_the_year_is_left_out_and_that_is_said(tmp_path):
    manifest = dataset_of(tmp_path, [("test", "A", 2018)])
    (tmp_path / "datasets" / manifest.dataset_id / "fields.jsonl").unlink()
    found, why = years_of(str(tmp_path), manifest, "test")
    assert not found
    assert "the sums by field of dataset" in why
