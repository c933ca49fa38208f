"""The layout is told from the folder's listing alone, and what is no layout is told in one line."""

import pytest
from tile_listing import folders_of, release_files, tile_name

from components.agrivision import CHALLENGE_2020, CLASS_FOLDERS, LAYOUTS, PAPER_2020, SUPERVISED_2021
from components.errors import DataError, SettingsError
from components.ingest import layouts
from components.ingest.layouts import Place, class_of, place_of

NAME = tile_name("FIELD1", 0)
PAPER = release_files(PAPER_2020, "data2017_miniscale", [NAME])
CHALLENGE = release_files(CHALLENGE_2020, "train", [NAME])
SUPERVISED = release_files(SUPERVISED_2021, "train", [NAME])
CLASSES = ["water/1.jpg", "weed/2.PNG"]


def recognise_layout(paths, requested, source_uri):
    return layouts.recognise_layout(folders_of(paths), requested, source_uri)


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (PAPER, PAPER_2020),
        ([path.removeprefix("data2017_miniscale/") for path in PAPER], PAPER_2020),  # source_uri is a year's folder
        ([f"unpacked/{path}" for path in PAPER], PAPER_2020),
        ([*PAPER, "data2017_splits.json", "README.md"], PAPER_2020),
        (CHALLENGE, CHALLENGE_2020),
        ([f"Agriculture-Vision/{path}" for path in CHALLENGE], CHALLENGE_2020),
        (SUPERVISED, SUPERVISED_2021),
        ([*SUPERVISED, f"train/labels/storm_damage/{NAME}.png"], SUPERVISED_2021),
        (CLASSES, CLASS_FOLDERS),
        (["train/water/1.jpg", "train/weed/2.jpeg", "test/water/3.png"], CLASS_FOLDERS),
        (["train/water/1.jpg", "val/weed/2.jpg"], CLASS_FOLDERS),  # the classes of all splits together
        (["water/1.jpg", "weed/1.jpg", "notes/about.txt"], CLASS_FOLDERS),
    ],
)
def test_a_layout_is_recognised(paths, expected):
    assert recognise_layout(paths, "auto", "/source") == expected
    assert recognise_layout(paths[::-1], expected, "/source") == expected


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no known layout under '/source', which has no file; expected paper-2020: data<year>_miniscale/"),
        (["a.jpg", "b.jpg"], "which has 2 files and no folder; expected"),
        (["photos/a.jpg"], r"which has photos/; expected .*class-folders: .*of two classes or more"),
        (["train/a.jpg", "val/b.jpg"], "which has train/, val/; expected"),
        (["train/water/a.txt", "train/weed/b.txt"], "which has train/water/, train/weed/; expected"),
        ([f"f{i}/x/{i}.tif" for i in range(9)], r"which has f0/x/, f1/x/, f2/x/, f3/x/, f4/x/ and 4 more folders;"),
        ([*PAPER, *CHALLENGE], "holds paper-2020 and challenge-2020; source_uri must be the folder of one release"),
    ],
)
def test_what_is_no_layout_is_told_with_what_was_seen_and_what_was_expected(paths, message):
    with pytest.raises(DataError, match=message) as error:
        recognise_layout(paths, "auto", "/source")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("paths", "requested", "seen"),
    [
        (PAPER, CHALLENGE_2020, "paper-2020"),
        (CHALLENGE, SUPERVISED_2021, "challenge-2020"),
        (SUPERVISED, PAPER_2020, "supervised-2021"),
        (CLASSES, PAPER_2020, "class-folders"),
        (CHALLENGE, CLASS_FOLDERS, "challenge-2020"),
    ],
)
def test_a_layout_that_contradicts_the_source_is_refused(paths, requested, seen):
    with pytest.raises(SettingsError, match=f"ingest_layout is {requested}, but '/source' looks like {seen};"):
        recognise_layout(paths, requested, "/source")


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        (
            ["waterway/{}.png", "double_plant/{}.png"],
            SettingsError,
            r"\(double_plant, waterway\) do not distinguish challenge-2020 from supervised-2021",
        ),
        ([], DataError, "has the images of a challenge release, but no labels: it has no label folder"),
        (["water/{}.npy"], DataError, "but no labels: it has 1 label folders, but no PNG in them"),
        (["rust/{}.png"], SettingsError, "name classes of no known release: rust; .* or set ingest_classes"),
        (["drydown/{}.png", "cloud_shadow/{}.png"], SettingsError, r"\(cloud_shadow, drydown\) do not distinguish"),
    ],
)
def test_labels_that_do_not_tell_the_challenge_releases_apart_are_told_with_the_reason(labels, kind, message):
    paths = [
        *release_files(CHALLENGE_2020, "train", [NAME], labelled=False),
        *(f"train/labels/{label.format(NAME)}" for label in labels),
    ]
    with pytest.raises(kind, match=message):
        recognise_layout(paths, "auto", "/source")
    assert [recognise_layout(paths, name, "/source") for name in LAYOUTS[1:3]] == [CHALLENGE_2020, SUPERVISED_2021]


@pytest.mark.parametrize(
    ("folder", "layout", "expected"),
    [
        ("data2017_miniscale/field_images/rgb", PAPER_2020, Place("data2017_miniscale", "", "rgb", "")),
        ("field_bounds", PAPER_2020, Place("", "", "boundary", "")),
        ("a/b/field_masks", PAPER_2020, Place("a/b", "", "mask", "")),
        ("y/field_labels/water", PAPER_2020, Place("y", "", "label", "water")),
        ("y/field_labels", PAPER_2020, None),
        ("y/field_images/rgb/old", PAPER_2020, None),
        ("train/images/nir", CHALLENGE_2020, Place("", "train", "nir", "")),
        ("x/val/boundaries", SUPERVISED_2021, Place("x", "val", "boundary", "")),
        ("retrain/masks", CHALLENGE_2020, None),
        ("test/labels/water", SUPERVISED_2021, Place("", "test", "label", "water")),
    ],
)
def test_a_folder_tells_what_it_holds(folder, layout, expected):
    assert place_of(folder, layout) == expected


@pytest.mark.parametrize(
    ("folder", "split_folders", "expected"),
    [
        ("water", False, "water"),
        ("train/water", True, "water"),
        ("Validation/water", True, "water"),
        ("train", True, None),
        ("train/water/old", True, None),
        ("other/water", True, None),
        ("water", True, None),
        ("train", False, None),  # images of no class, beside the classes
        ("", False, None),
    ],
)
def test_an_images_class_is_its_folder(folder, split_folders, expected):
    assert class_of(folder, split_folders) == expected
