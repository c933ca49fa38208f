"""Files become tiles by name; what lacks a file, has a bad name or is there twice is rejected with its reason."""

import random

import pytest
import tile_listing
from tile_listing import release_files, tile_name

from components.agrivision import CHALLENGE_2020, CLASS_FOLDERS, PAPER_2020, SUPERVISED_2021
from components.errors import DataError

A, B, C = (tile_name(field_id, 0) for field_id in "ABC")
TRAIN = release_files(CHALLENGE_2020, "train", [A, B])


def pair(paths, layout=CHALLENGE_2020, official=None):
    return tile_listing.pair(paths, layout, official)


def find_images(paths):
    return tile_listing.pair(paths, CLASS_FOLDERS)


def test_a_tile_has_its_files_and_the_labels_that_are_there():
    pairing = pair([*TRAIN, f"train/labels/waterway/{A}.png", f"train/masks/{A}.txt", "train/preview.jpg"])
    assert pairing.rejected == []
    first, second = pairing.tiles
    assert (first.tile_id, first.field_id, first.split) == (A, "A", "train")
    assert first.rgb.path == f"train/images/rgb/{A}.jpg"
    assert first.nir.path == f"train/images/nir/{A}.jpg"
    assert (first.boundary.path, first.mask.path) == (f"train/boundaries/{A}.png", f"train/masks/{A}.png")
    assert sorted(first.labels) == ["standing_water", "waterway"]
    assert sorted(second.labels) == ["standing_water"]  # a missing label file: the tile does not have the class


@pytest.mark.parametrize(
    ("removed", "added", "tile_id", "reason"),
    [
        (f"train/images/nir/{A}.jpg", None, A, "nir: no such file"),
        (f"train/images/rgb/{A}.jpg", None, A, "rgb: no such file"),
        (f"train/boundaries/{A}.png", None, A, "boundary: no such file"),
        (f"train/masks/{A}.png", None, A, "mask: no such file"),
        (None, "train/images/rgb/preview.jpg", "preview", "tile name must be <field_id>_<x1>-<y1>-<x2>-<y2>"),
        (None, "train/images/nir/A_9-9-9-9.jpg", "A_9-9-9-9", "window"),  # of no size
        (
            None,
            f"train/images/rgb/{A}.png",
            A,
            f"rgb: a second file of this name, train/images/rgb/{A}.png, is not used",
        ),
        (None, f"train/images/rgb/{C}.jpg", C, "nir: no such file"),
    ],
)
def test_a_bad_tile_is_rejected_with_its_reason(removed, added, tile_id, reason):
    pairing = pair([path for path in TRAIN if path != removed] + ([added] if added else []))
    assert [rejection.tile_id for rejection in pairing.rejected] == [tile_id]
    assert reason in pairing.rejected[0].reason
    assert len(pairing.tiles) == (1 if removed else 2)


def test_labels_and_maps_of_no_image_are_no_tile():
    pairing = pair([*TRAIN, f"train/labels/waterway/{C}.png", f"train/masks/{C}.png"])
    assert (len(pairing.tiles), pairing.rejected) == (2, [])


def test_the_second_tile_of_a_name_is_rejected_across_splits_and_years():
    pairing = pair([*TRAIN, *release_files(CHALLENGE_2020, "val", [A, C])])
    assert [(tile.tile_id, tile.split) for tile in pairing.tiles] == [(A, "train"), (B, "train"), (C, "val")]
    assert [(bad.tile_id, bad.reason) for bad in pairing.rejected] == [
        (A, f"a second tile of this name, val/images/rgb/{A}.jpg; train/images/rgb/{A}.jpg is kept")
    ]
    years = [path for year in (2017, 2018) for path in release_files(PAPER_2020, f"data{year}_miniscale", [A])]
    pairing = pair(years, PAPER_2020)
    assert [tile.rgb.path for tile in pairing.tiles] == [f"data2017_miniscale/field_images/rgb/{A}.jpg"]
    assert [bad.tile_id for bad in pairing.rejected] == [A]


def test_files_of_different_years_are_not_paired():
    mixed = [
        path.replace("2017", "2018") if "/nir/" in path and B in path else path
        for path in release_files(PAPER_2020, "data2017_miniscale", [A, B])
    ]
    pairing = pair(mixed, PAPER_2020)
    assert [tile.tile_id for tile in pairing.tiles] == [A]
    assert sorted(bad.reason for bad in pairing.rejected) == ["nir: no such file", "rgb: no such file"]


def test_tiles_of_a_split_without_labels_are_counted_and_left_aside():
    pairing = pair([*TRAIN, *release_files(CHALLENGE_2020, "test", [A, C], labelled=False)])
    assert [tile.tile_id for tile in pairing.tiles] == [A, B]
    assert (pairing.num_unlabelled, pairing.rejected) == (2, [])


@pytest.mark.parametrize(("band", "other"), [("nir", "rgb"), ("rgb", "nir")])
def test_a_band_that_is_missing_altogether_is_told_as_a_missing_folder(band, other):
    paths = [path for path in TRAIN if f"/{band}/" not in path]
    message = f"no tile under '/source' has a {band} file, but 2 have {other}; expected a folder {band} beside 'train/"
    with pytest.raises(DataError, match=message):
        pair(paths)


def test_storm_damage_is_known_and_not_scored_in_the_2021_release():
    paths = release_files(SUPERVISED_2021, "train", [A])
    pairing = pair([*paths, f"train/labels/storm_damage/{A}.png"], SUPERVISED_2021)
    assert (len(pairing.classes), sorted(pairing.tiles[0].labels)) == (8, ["drydown"])


def test_an_unknown_class_folder_is_refused():
    with pytest.raises(
        DataError, match=r"unknown class folder 'train/labels/rust' .* of challenge-2020 are cloud_shadow,"
    ):
        pair([*TRAIN, f"train/labels/rust/{A}.png"])


def test_the_split_files_decide_by_tile_and_by_field():
    paths = release_files(PAPER_2020, "data2017_miniscale", [A, B, C])
    pairing = pair(paths, PAPER_2020, {A: "val", "B": "test"})
    assert [(tile.tile_id, tile.split) for tile in pairing.tiles] == [(A, "val"), (B, "test")]
    assert [(bad.tile_id, bad.reason[:11]) for bad in pairing.rejected] == [(C, "in no split")]


def test_the_order_of_the_listing_does_not_matter():
    paths = [*TRAIN, *release_files(CHALLENGE_2020, "val", [A, C]), f"train/images/rgb/{C}.jpg"]
    shuffled = random.Random(1).sample(paths, len(paths))
    assert pair(shuffled) == pair(paths)


def test_an_image_in_a_class_folder_is_a_tile_of_one_class():
    pairing = find_images([f"weed/{A}.jpg", "water/photo 1.PNG", "water/sub/x.jpg", "x.jpg", "water/notes.txt"])
    assert pairing.classes == ("water", "weed")
    assert [(tile.tile_id, tile.field_id, tile.split, tile.classes) for tile in pairing.tiles] == [
        ("photo 1", "water/photo 1", "", ("water",)),  # no field is known, so it is one of its own
        (A, "A", "", ("weed",)),
    ]
    assert [(bad.tile_id, bad.reason) for bad in pairing.rejected] == [
        ("water/sub/x.jpg", "in no class folder, expected <class>/<image>"),
        ("x.jpg", "in no class folder, expected <class>/<image>"),
    ]


def test_names_of_tiles_in_class_folders_are_as_short_as_they_can_be():
    paths = ["train/a/1.jpg", "train/b/1.jpg", "val/b/1.jpg", "val/b/2.jpg", "val/b/3.jpg", "val/b/3.png"]
    tiles = {tile.rgb.path: tile for tile in find_images(paths).tiles}
    assert {path: tile.tile_id for path, tile in tiles.items()} == {
        "train/a/1.jpg": "a/1",
        "train/b/1.jpg": "train/b/1",
        "val/b/1.jpg": "val/b/1",
        "val/b/2.jpg": "2",
        "val/b/3.jpg": "val/b/3.jpg",
        "val/b/3.png": "val/b/3.png",
    }
    assert tiles["val/b/3.jpg"].field_id == tiles["val/b/3.png"].field_id  # most likely the same picture


def test_a_name_with_two_suffixes_does_not_take_the_name_of_another_file():
    paths = ["train/b/3.jpg", "train/b/3.png", "train/b/3.jpg.png", "val/b/3.jpg.png", "val/a/3.jpg.PNG.jpeg"]
    tile_ids = {tile.rgb.path: tile.tile_id for tile in find_images(paths).tiles}
    assert len(set(tile_ids.values())) == len(paths)
    assert tile_ids["train/b/3.jpg"] == "train/b/3.jpg"  # which is the other's name without its suffix


def test_images_of_a_test_folder_without_classes_are_unlabelled():
    pairing = find_images(["train/a/1.jpg", "train/b/2.jpg", "test/3.jpg", "train/4.jpg"])
    assert (len(pairing.tiles), pairing.num_unlabelled) == (2, 1)
    assert [bad.tile_id for bad in pairing.rejected] == ["train/4.jpg"]
