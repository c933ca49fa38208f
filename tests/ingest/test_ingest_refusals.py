"""A lost class, masks that are missing, too many ignored files and the wrong folder stop a run, and are named."""

import pytest
from tile_listing import listing, release_files, tile_name

from components.agrivision import CHALLENGE_2020, CLASS_FOLDERS, PAPER_2020
from components.contracts import MissingMasks, SourceFile, WhyIgnored
from components.errors import DataError
from components.ignored import LeftOut
from components.ingest.refusals.missing_masks import missing_line, missing_masks, require_masks_of_tiles
from components.ingest.refusals.wrong_folder import folder_that_would_work, not_classes
from components.ingest.settings import IngestSettings
from components.ingest.survey import survey_source
from components.progress import StepLog

CROPS = [f"{name}/{name}{number}.jpg" for name in ("crop", "soil", "weed") for number in range(10)]
NAMES = [tile_name(field, 0) for field in "ABCDEFGHIJ"]


def survey(files, **settings):
    """Returns what is ignored, by reason, class and split."""
    with survey_source(files, "/s", IngestSettings(num_workers=1, **settings), StepLog("ingest")) as found:
        return {(row.reason, row.class_name, row.split): row.num_files for row in found.ignored}


def links(paths: list[str]) -> list[LeftOut]:
    return [LeftOut(path, WhyIgnored.LINK_TO_NOTHING) for path in paths]


def of_format(paths: list[str], suffix: str, start: str = "") -> list[SourceFile]:
    return listing([path.replace(".jpg", suffix) if path.startswith(start) else path for path in paths])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (of_format(CROPS, ".heic", "weed"), r"class folders 'weed' \(10, e.g. 'weed/weed0.heic'\) under '/s'"),
        (of_format(CROPS, "", "weed"), r"'weed' \(10, e.g. 'weed/weed0'\)"),
        ([*listing(CROPS[:20]), *links(CROPS[20:])], r"'weed' \(10, e.g. 'weed/weed0.jpg'; 10 are links to nothing\)"),
        ([*listing(CROPS[:20]), *links(["weed"])], "1 labels or splits under '/s' are links to nothing, e.g. 'weed'"),
        ([*listing([f"train/{path}" for path in CROPS]), *links(["Val"])], "1 labels or splits .* e.g. 'Val'"),
        (of_format(CROPS, ".npy"), "30 files under '/s' are not images that are read, e.g. crop/crop0.npy"),
        (links(CROPS), "e.g. crop/crop0.jpg; 30 are links to nothing; convert or restore them"),
        (
            of_format(CROPS[:20], ".npy", "soil"),
            "10 files under '/s' are not images that are read, e.g. soil/soil0.npy",
        ),
        (
            listing([*(f"train/{path}" for path in CROPS), *(f"val/{path}" for path in CROPS[:19]), "val/weed/a.bmp"]),
            r"class folders 'val/weed' \(1, e.g. 'val/weed/a.bmp'\)",
        ),
    ],
)
def test_a_class_whose_files_all_fall_away_stops_the_run(files, message):
    for settings in ({}, {"max_ignored_fraction": 1.0}):
        with pytest.raises(DataError, match=message) as error:
            survey(files, **settings)
        assert "\n" not in str(error.value)


def test_a_folder_that_is_no_class_can_be_left_out_by_naming_the_classes():
    files = [*listing(CROPS), *(SourceFile(f"models/{number}.bin", 9, "1") for number in range(10))]
    with pytest.raises(DataError, match=r"class folders 'models' .* or name the classes in ingest_classes"):
        survey(files)
    assert survey(files, classes="crop,soil,weed") == {(WhyIgnored.OTHER_CLASS, "models", ""): 10}


@pytest.mark.parametrize(
    ("extra", "settings", "message"),
    [
        ([f"more/x{number}.pdf" for number in range(7)], {}, ""),
        (
            [f"more/x{number}.pdf" for number in range(8)],
            {},
            r"8 of 38 files under '/s' would be ignored, 21.1%, more than ingest_max_ignored_fraction=0.2 allows: "
            r"8 x a document, not an image \(e.g. more/x0.pdf\)",
        ),
        (["notes.txt"], {"max_ignored_fraction": 0.0}, "1 of 31 files .* would be ignored, 3.2%"),
        ([f"more/x{number}.pdf" for number in range(90)], {"max_ignored_fraction": 0.8}, ""),
        ([f"weed/x{number}.bmp" for number in range(3)], {}, "3 of 13 files of the class weed under '/s' would be"),
        ([f"weed/x{number}.txt" for number in range(3)], {}, ""),  # documents show nothing of a class
        ([path.replace(".jpg", ".xml") for path in CROPS], {}, ""),  # one beside each image
        ([path.replace(".jpg", ".jpg.aux.xml") for path in CROPS], {"max_ignored_fraction": 0.0}, ""),
    ],
)
def test_ignored_files_stop_the_run_above_the_limit(extra, settings, message):
    if not message:
        assert sum(survey(listing([*CROPS, *extra]), **settings).values()) == len(extra)
        return
    with pytest.raises(DataError, match=message):
        survey(listing([*CROPS, *extra]), **settings)


def test_only_class_folders_that_hold_nothing_are_empty():
    said = [LeftOut(path, WhyIgnored.EMPTY_FOLDER) for path in ("crop", "maize", "old", "old/2020", "old/2021", "")]
    files = [*listing([*CROPS, "old/2020/notes.txt"]), *said]
    assert survey(files) == {(WhyIgnored.EMPTY_FOLDER, "maize", ""): 1, (WhyIgnored.DOCUMENT, "", ""): 1}


def test_litter_never_counts_towards_the_limit():
    litter = [LeftOut(f"crop/.{number}", WhyIgnored.HIDDEN) for number in range(99)]
    litter.append(LeftOut("Thumbs.db", WhyIgnored.LITTER))
    found = survey([*listing(CROPS), *litter], max_ignored_fraction=0.0)
    assert found == {(WhyIgnored.HIDDEN, "", ""): 99, (WhyIgnored.LITTER, "", ""): 1}


@pytest.mark.parametrize(
    "path", ["train/labels/waterway/A_0-0-512-512.png", "train/labels/waterway", "train/labels", "train", "VAL"]
)
def test_a_link_to_nothing_in_place_of_labels_stops_the_run(path):
    files = [*listing(release_files(CHALLENGE_2020, "train", NAMES)), *links([path])]
    with pytest.raises(DataError, match="links to nothing"):
        survey(files, max_ignored_fraction=1.0)


def test_split_files_that_are_links_to_nothing_stop_the_run():
    files = [*listing(release_files(PAPER_2020, "data2017_miniscale", NAMES)), *links(["data2017_splits.json"])]
    with pytest.raises(DataError, match=r"are links to nothing, e\.g\. 'data2017_splits"):
        survey(files)


def test_other_links_to_nothing_are_counted():
    files = listing(release_files(CHALLENGE_2020, "train", NAMES))
    found = survey([*files, *links(["train/images/rgb/X_0-0-512-512.jpg", "more/notes.txt"])])
    assert found == {(WhyIgnored.LINK_TO_NOTHING, "", "train"): 1, (WhyIgnored.LINK_TO_NOTHING, "", ""): 1}


def masks(**missing: tuple[int, int]) -> tuple[MissingMasks, ...]:
    return tuple(
        MissingMasks(class_name=name, split="train", num_tiles=number, num_expected=total)
        for name, (number, total) in missing.items()
    )


@pytest.mark.parametrize(
    ("tiles_with", "missing", "is_refused"),
    [
        ({"a": 100, "b": 100, "c": 100}, masks(), False),
        ({"a": 100, "b": 95, "c": 100}, masks(b=(5, 100)), False),
        ({"a": 100, "b": 79, "c": 100}, masks(b=(21, 100)), True),
        ({"a": 48, "b": 53, "c": 50}, masks(a=(52, 100), b=(47, 100), c=(50, 100)), True),  # every second one
        ({"a": 30, "b": 25, "c": 10}, masks(), False),  # only the masks that show something
        ({"a": 70, "b": 20, "c": 5}, masks(a=(30, 100)), False),  # one class is often there
        ({"a": 100, "b": 60}, masks(b=(40, 100)), False),  # of two classes it cannot be told
    ],
)
def test_masks_are_missing_only_where_most_tiles_have_one(tiles_with, missing, is_refused):
    counts = {(name, "train"): count for name, count in tiles_with.items()}
    assert missing_masks({"train": 100}, counts) == missing
    if is_refused:
        with pytest.raises(
            DataError, match=r"train tiles under '/s' have no mask of .*ingest_max_ignored_fraction=0.2"
        ):
            require_masks_of_tiles(missing, {"train": 100}, counts, "/s", 0.2)
    else:
        require_masks_of_tiles(missing, {"train": 100}, counts, "/s", 0.2)


def test_a_label_folder_that_one_split_lacks_is_said():
    paths = [*release_files(CHALLENGE_2020, "train", NAMES), *release_files(CHALLENGE_2020, "val", ["V_0-0-512-512"])]
    paths += [f"{split}/labels/waterway/{name}.png" for split, name in (("train", NAMES[0]), ("val", "V_0-0-512-512"))]
    paths.remove("val/labels/standing_water/V_0-0-512-512.png")
    with survey_source(listing(paths), "/s", IngestSettings(num_workers=1), StepLog("ingest")) as found:
        assert missing_line(found.missing_masks).endswith("train: waterway 9 of 10; val: standing_water 1 of 1")


def test_a_split_but_test_without_labels_is_said(capsys):
    paths = [*release_files(CHALLENGE_2020, "train", NAMES)]
    paths += [
        path for split in ("val", "test") for path in release_files(CHALLENGE_2020, split, ["V_0-0-512-512"], False)
    ]
    assert survey(listing(paths)) == {(WhyIgnored.UNLABELLED, "", split): 4 for split in ("val", "test")}
    said = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert said == [
        "ingest | warning: val has no labels, so its 4 files are not used, e.g. val/boundaries/V_0-0-512-512.png"
    ]


def test_class_folders_that_may_be_one_split_of_several_are_said(capsys):
    for source_uri, expected in (("/t/flowers/Train", True), ("gs://b/x/val/", True), ("/t/flowers", False)):
        settings = IngestSettings(
            num_workers=1, duplicates="anywhere"
        )  # else it would read files, of which there are none
        with survey_source(listing(CROPS), source_uri, settings, StepLog("ingest")):
            assert ("is called like one split; if the others lie beside it" in capsys.readouterr().out) is expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["crop", "soil"], []),
        (["images", "Masks"], ["Masks", "images"]),
        (["rgb", "nir", "crop"], ["nir", "rgb"]),
        (["train_images", "train_masks"], ["train_images", "train_masks"]),
        (["leaf", "leaf-mask"], []),  # a class may be called like that
        (["photo_2020", "crop"], []),
        (["input", "target"], ["input", "target"]),
        (["raw", "boiled"], []),
        (["2020 images", "2020 labels", "soil"], ["2020 images", "2020 labels"]),
    ],
)
def test_names_of_pictures_and_of_masks_are_no_classes(names, expected):
    assert not_classes(names) == expected


@pytest.mark.parametrize(
    ("folders", "source_uri", "expected"),
    [
        (["images/rgb", "images/nir", "masks"], "gs://b/rel/train", "'gs://b/rel'"),
        (["rgb", "nir"], "gs://b/rel/train/images/", "'gs://b/rel'"),
        (["rgb", "nir"], "data2017_miniscale/field_images", "'data2017_miniscale'"),
        (["drydown", "water"], "rel/val/labels", "'rel'"),
        ([""], "rel/train/masks", "'rel'"),
        (["a/crop", "a/soil"], "gs://b/x", "'gs://b/x/a'"),
        (["a/b/train/crop", "a/b/val/soil"], "x/", "'x/a/b'"),
        (["a/crop", "a/soil", "b/crop", "b/soil"], "x", "'x/a' or 'x/b'"),
        (["a/images", "a/masks"], "x", "segmentation"),
        ([""], "/t/flowers/rose", "'/t/flowers'"),
        (["photos"], "x", ""),
    ],
)
def test_the_folder_that_would_work_is_named(folders, source_uri, expected):
    def fits(others):
        return len({other.rpartition("/")[2] for other in others if other.count("/") < 2} & {"crop", "soil"}) == 2

    said = folder_that_would_work(folders, folders, source_uri, fits)
    assert expected in said
    assert bool(said) == bool(expected)


def test_folders_of_pictures_and_masks_are_classes_if_they_are_named_so(capsys):
    files = listing([f"{name}/{number}.png" for name in ("image", "mask") for number in range(5)])
    with pytest.raises(DataError, match=r"image, mask.*if they are classes all the same, name them in ingest_classes"):
        survey(files)
    assert survey(files, classes="image,mask") == {}
    with survey_source(files, "/s", IngestSettings(num_workers=1, classes="image,mask"), StepLog("ingest")) as found:
        assert found.layout == CLASS_FOLDERS


@pytest.mark.parametrize("source_uri", ["/rel/train/labels", "gs://b/2017/field_labels"])
def test_the_label_folders_of_a_release_are_no_class_folders(source_uri):
    files = listing([f"{name}/{tile}.png" for name in ("water", "endrow") for tile in NAMES])
    found = survey_source(files, source_uri, IngestSettings(num_workers=1), StepLog("ingest"))
    with pytest.raises(DataError, match="called like the label folders of a release; it is a part of a release"), found:
        pass
