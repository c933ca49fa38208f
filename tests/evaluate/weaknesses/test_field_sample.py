"""The tiles that are kept while a split passes by."""

import dataclasses
import itertools

import numpy as np
import pytest
from tile_shards import fake_record

from components.evaluate.weaknesses.field_sample import MOST_OF_FIELD, FieldSample

SMALL = fake_record(0, size_px=8)


def tiles(sizes):
    """Tiles of fields of these sizes, one field after the other."""
    return [
        dataclasses.replace(SMALL, tile_id=f"F{field}_{tile}", field_id=f"F{field}")
        for field, size in enumerate(sizes)
        for tile in range(size)
    ]


def kept(records, most_tiles, batch=7, **options):
    sample = FieldSample(most_tiles, **options)
    batches = iter(records)
    while part := list(itertools.islice(batches, batch)):
        sample.see(part)
    positions, found = sample.tiles()
    assert [records[position] for position in positions] == found
    return positions, {record.tile_id for record in found}


@pytest.mark.parametrize("most", [1, 20, 60, 100, 500])
def test_whole_fields_are_kept_and_the_order_of_tiles_does_not_matter(most):
    records = tiles([5, 9, 1, 12, 7, 30, 3, 8, 11, 4])
    _, names = kept(records, most)
    assert len(names) <= most
    shuffled = [records[place] for place in np.random.default_rng(0).permutation(len(records))]
    assert kept(shuffled, most, batch=1)[1] == names
    if most > 1:
        for field in {name.split("_")[0] for name in names}:
            assert {name for name in names if name.startswith(f"{field}_")} == {
                record.tile_id for record in records if record.field_id == field
            }
    if most == 500:
        assert len(names) == len(records)


def test_a_large_field_has_a_part_in_the_sample_and_no_more():
    _, names = kept(tiles([1000, 20, 20]), 100)
    assert len({name for name in names if name.startswith("F0_")}) == MOST_OF_FIELD
    assert len(names) > MOST_OF_FIELD


def test_of_few_tiles_no_field_has_more_than_asked_for():
    _, names = kept(tiles([30, 3, 8, 11, 4, 9]), 12, most_of_field=2)
    assert len(names) == 12
    assert len({name.split("_")[0] for name in names}) == 6


def test_one_field_alone_is_cut_to_what_there_is_room_for():
    assert len(kept(tiles([50]), 10)[1]) == 10


def test_images_beyond_what_memory_allows_are_not_kept():
    records = tiles([4] * 20)
    size = len(SMALL.rgb) + len(SMALL.nir) + len(SMALL.valid_mask)
    _, names = kept(records, 100, most_bytes=10 * size)
    assert len(names) == 8  # two whole fields
    assert len(kept(records, 100, most_bytes=1)[1]) == 1


def test_tiles_of_unknown_field_are_fields_of_their_own():
    records = [dataclasses.replace(record, field_id="") for record in tiles([40])]
    assert len(kept(records, 10)[1]) == 10


def test_an_empty_split_has_no_sample():
    positions, records = FieldSample(10).tiles()
    assert (positions.tolist(), records) == ([], [])
