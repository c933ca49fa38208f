"""The slices of a test split, and what is said of those that cannot be made."""

import msgspec
import numpy as np
import pytest
from tile_shards import BANDS, fake_record, manifest_of, write_split

from components.contracts import Slices
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.weaknesses.slicing import JudgedTiles, slices_of
from components.evaluate.weaknesses.tile_attributes import BRIGHTNESS, NDVI, VALID_SHARE, YEAR
from components.scoring.field_sums import count

NUM_FIELDS, TILES_OF_FIELD = 40, 12


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    split = write_split(tmp_path_factory.mktemp("data"), [fake_record(number) for number in range(4)], 1)
    return manifest_of({"test": split}, 48)


def judged(*, missed_where=None, watched=None, are_groups=False, tiles_of_field=TILES_OF_FIELD, seed=0):
    """Tiles of three classes; a third of the labels are missed where `missed_where` says of the attributes."""
    generator = np.random.default_rng(seed)
    num = NUM_FIELDS * tiles_of_field
    units = np.repeat(np.arange(NUM_FIELDS, dtype=np.int32), tiles_of_field)
    labels = generator.random((num, 3)) < 0.4
    attributes = np.zeros((num, 4), np.float32)
    attributes[:, VALID_SHARE] = np.where(generator.random(num) < 0.6, 1, generator.uniform(0.4, 1, num))
    attributes[:, BRIGHTNESS] = generator.uniform(0.2, 0.6, num)
    attributes[:, NDVI] = generator.uniform(-0.2, 0.5, num)
    attributes[:, YEAR] = 2017 + units % 3
    if watched is not None:
        watched(attributes)
    wrong = generator.random(labels.shape) < 0.05
    if missed_where is not None:
        wrong |= labels & missed_where(attributes)[:, np.newaxis] & (generator.random(labels.shape) < 0.6)
    predicted = labels ^ wrong
    names = tuple(f"field{unit:02}_{number}" for number, unit in enumerate(units.tolist()))
    tiles = SplitColumns(
        tile_ids=names,
        field_ids=tuple(name.split("_")[0] for name in names),
        labels=labels,
        positions=np.arange(num),
        units=tuple(f"field{number:02}" for number in range(NUM_FIELDS)),
        unit_of_tile=units,
        are_groups=are_groups,
        answers={},
        watched=attributes,
        notes={},
    )
    num_tiles = np.bincount(units, minlength=NUM_FIELDS)
    return JudgedTiles(tiles, predicted, count(labels, predicted, units, NUM_FIELDS), num_tiles)


def dimensions_of(slices: Slices) -> list[str]:
    return list(dict.fromkeys(score.dimension for score in slices.scores))


def test_the_split_is_divided_five_ways_and_the_weak_part_is_named(manifest):
    test = judged(missed_where=lambda attributes: attributes[:, NDVI] < -0.05)
    slices = slices_of(test, manifest, single_label=False)
    assert dimensions_of(slices) == ["Year", "Valid share", "Number of classes", "Brightness", "NDVI"]
    for name in ("Year", "Brightness"):
        assert sum(score.num_tiles for score in slices.scores if score.dimension == name) == len(test.tiles)
    assert [score.name for score in slices.scores if score.dimension == "Year"] == ["2017", "2018", "2019"]
    assert [score.name for score in slices.scores if score.dimension == "Number of classes"] == ["0", "1", "2", "3"]
    assert slices.worst_score.dimension == "NDVI"
    assert slices.worst_score.name == "below -0.1"
    assert slices.is_worse
    assert slices.worst_score.difference[2] < 0
    assert slices.worst_score.num_classes == 3
    assert slices.num_compared == sum(score.difference is not None for score in slices.scores) >= 15
    assert slices.notes == ()


def test_the_fields_with_most_errors_are_listed_with_their_tiles(manifest):
    test = judged(missed_where=lambda attributes: np.repeat(np.arange(NUM_FIELDS) % 8 == 3, TILES_OF_FIELD))
    fields = slices_of(test, manifest, single_label=False).fields
    assert fields.num_fields == NUM_FIELDS
    assert fields.spread > 0.1
    assert fields.times_chance > 1.5
    assert {each.field for each in fields.worst} <= {f"field{number:02}" for number in (3, 11, 19, 27, 35)}
    worst = fields.worst[0]
    wrong = (test.tiles.labels ^ test.predicted).sum(axis=1)
    of_field = [row for row, name in enumerate(test.tiles.tile_ids) if name.startswith(f"{worst.field}_")]
    assert worst.errors == wrong[of_field].sum() > worst.expected
    assert [wrong[test.tiles.tile_ids.index(tile)] for tile in worst.tiles] == sorted(wrong[of_field])[:-6:-1]
    assert worst.macro_f1 < fields.best[0].macro_f1


@pytest.mark.parametrize(
    ("options", "bands", "single_label", "without", "note"),
    [
        ({"watched": lambda of: of[:, NDVI].fill(np.nan)}, BANDS[:3], False, {"NDVI"}, "NDVI: there is no NIR."),
        ({"watched": lambda of: of[:5, BRIGHTNESS].fill(np.nan)}, BANDS, False, set(), "Brightness: 5 tiles have none"),
        (
            {"watched": lambda of: of[:, VALID_SHARE].fill(1)},
            BANDS,
            False,
            {"Valid share"},
            "Valid share: all",
        ),
        ({"watched": lambda of: of[:, YEAR].fill(np.nan)}, BANDS, False, {"Year"}, "Year: nobody knows."),
        ({}, BANDS, True, {"Number of classes"}, ""),
        ({"are_groups": True}, BANDS, False, set(), "Fields: there are more than 40, too many to keep apart."),
        ({"tiles_of_field": 1}, BANDS, False, set(), ""),
    ],
)
def test_what_is_left_out_is_said(manifest, options, bands, single_label, without, note):
    manifest = msgspec.structs.replace(manifest, bands=bands)
    slices = slices_of(
        judged(**options),
        manifest,
        single_label=single_label,
        note_on_years="Year: nobody knows." if without == {"Year"} else "",
    )
    everything = {"Year", "Valid share", "Number of classes", "Brightness", "NDVI"}
    assert set(dimensions_of(slices)) == everything - without
    assert any(note in text for text in slices.notes) if note else slices.notes == ()
    assert (slices.fields is None) == ("are_groups" in options or "tiles_of_field" in options)
