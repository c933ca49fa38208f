"""Class lists of the user's own: in which order, which are set aside, and what is refused."""

import pytest
from tile_listing import folders_of, pair, release_files, tile_name, write_files

from components import storage
from components.agrivision import CHALLENGE_2020, CHALLENGE_2020_CLASSES, CLASS_FOLDERS, SUPERVISED_2021
from components.errors import DataError, SettingsError
from components.ingest.layouts import recognise_layout
from components.ingest.settings import IngestSettings, class_list
from components.ingest.survey import survey_source
from components.progress import StepLog

NAMES = [tile_name(field, number) for field in "ABCDEF" for number in range(2)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ()), ("  ", ()), ("rust", ("rust",)), ("weed, bare soil ,rust", ("weed", "bare soil", "rust"))],
)
def test_a_class_list_keeps_its_order(text, expected):
    assert class_list(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,,b", "separated by commas, got 'a,,b'"), ("a,", "got 'a,'"), ("a,b,a", "once, got 'a' twice")],
)
def test_a_class_list_with_a_gap_or_a_repetition_is_refused(text, message):
    with pytest.raises(SettingsError, match=message):
        IngestSettings(num_workers=2, classes=text)


def test_class_folders_are_selected_and_ordered():
    files = [f"{name}/{number}.jpg" for name in ("rust", "soil", "weed") for number in range(3)]
    pairing = pair(files, CLASS_FOLDERS, classes=("weed", "rust"))
    assert pairing.classes == ("weed", "rust")
    assert {tile.rgb.path.partition("/")[0] for tile in pairing.tiles} == {"weed", "rust"}
    # A name that only images of other classes share is no reason for a longer one... and the ids stay unique.
    assert len({tile.tile_id for tile in pairing.tiles}) == 6
    assert (pairing.left_aside, pairing.rejected) == ({"soil": 3}, [])
    with pytest.raises(
        SettingsError, match="names 'mud', but there is no such class under '/s'; it has rust, soil, weed"
    ):
        pair(files, CLASS_FOLDERS, None, ("weed", "mud"), "/s")


def labelled_with(*classes: str) -> list[str]:
    paths = release_files(CHALLENGE_2020, "train", NAMES, labelled=False)
    return [*paths, *(f"train/labels/{name}/{tile}.png" for name in classes for tile in NAMES)]


def test_unknown_label_folders_are_accepted_when_the_user_names_them():
    paths = labelled_with("rust", "hail", "waterway")
    assert recognise_layout(folders_of(paths), "auto", "/s", ("hail", "rust")) == CHALLENGE_2020
    assert recognise_layout(folders_of(paths), SUPERVISED_2021, "/s", ("hail", "rust")) == SUPERVISED_2021
    pairing = pair(paths, CHALLENGE_2020, None, ("hail", "rust"))
    assert pairing.classes == ("hail", "rust")
    assert all(sorted(tile.labels) == ["hail", "rust"] for tile in pairing.tiles)
    assert pairing.left_aside == {"waterway": len(NAMES)}
    with pytest.raises(DataError, match=r"unknown class folder 'train/labels/hail' .*; ingest_classes can name others"):
        pair(paths, CHALLENGE_2020)
    with pytest.raises(SettingsError, match=r"names 'frost', .* it has hail, rust, waterway"):
        pair(paths, CHALLENGE_2020, None, ("frost",))


def test_known_classes_can_be_selected_too_and_are_all_taken_by_default():
    paths = labelled_with("waterway", "cloud_shadow")
    assert pair(paths, CHALLENGE_2020).classes == CHALLENGE_2020_CLASSES
    pairing = pair(paths, CHALLENGE_2020, None, ("waterway",))
    assert len(pairing.tiles) == len(NAMES)  # one without the class is background
    assert pairing.classes == ("waterway",)


def test_what_is_left_aside_is_said(tmp_path, capsys):
    source_uri = write_files(
        tmp_path, [f"{name}/{number}.jpg" for name in ("rust", "soil", "weed") for number in range(4)]
    )
    files = storage.list_files(source_uri)
    with survey_source(
        files, source_uri, IngestSettings(num_workers=2, classes="weed,rust"), StepLog("ingest")
    ) as survey:
        assert (survey.classes, survey.table.num_tiles) == (("weed", "rust"), 8)
    assert "set aside because their class is not in the class list: 4 of soil" in capsys.readouterr().out
