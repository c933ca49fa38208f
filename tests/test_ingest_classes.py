"""Class lists of the user's own: in which order, which are left aside, and what is refused."""

import pytest
from tile_listing import listing, release_files, tile_name

from components.agrivision import CHALLENGE_2020, CHALLENGE_2020_CLASSES, SUPERVISED_2021
from components.errors import DataError, SettingsError
from components.ingest.class_folders import find_images
from components.ingest.inventory import survey_source
from components.ingest.layouts import recognise_layout
from components.ingest.pairing import pair_release
from components.ingest.settings import IngestSettings, class_list
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
    [("a,,b", "with a comma between two, got 'a,,b'"), ("a,", "got 'a,'"), ("a,b,a", "once, got 'a' twice")],
)
def test_a_class_list_with_a_gap_or_a_repetition_is_refused(text, message):
    with pytest.raises(SettingsError, match=message):
        IngestSettings(classes=text)


def test_class_folders_are_selected_and_ordered():
    files = listing([f"{name}/{number}.jpg" for name in ("rust", "soil", "weed") for number in range(3)])
    pairing = find_images(files, ("weed", "rust"))
    assert pairing.classes == ("weed", "rust")
    assert {tile.rgb.path.partition("/")[0] for tile in pairing.tiles} == {"weed", "rust"}
    # A name that only images of other classes share is no reason for a longer one... and the ids stay unique.
    assert len({tile.tile_id for tile in pairing.tiles}) == 6
    assert (pairing.left_aside, pairing.rejected) == ({"soil": 3}, [])
    with pytest.raises(
        SettingsError, match="names 'mud', of which there is nothing under '/s'; it has rust, soil, weed"
    ):
        find_images(files, ("weed", "mud"), "/s")


def labelled_with(*classes: str) -> list[str]:
    paths = release_files(CHALLENGE_2020, "train", NAMES, labelled=False)
    return [*paths, *(f"train/labels/{name}/{tile}.png" for name in classes for tile in NAMES)]


def test_unknown_label_folders_are_accepted_when_the_user_names_them():
    paths = labelled_with("rust", "hail", "waterway")
    assert recognise_layout(paths, "auto", "/s", ("hail", "rust")) == CHALLENGE_2020
    assert recognise_layout(paths, SUPERVISED_2021, "/s", ("hail", "rust")) == SUPERVISED_2021
    pairing = pair_release(listing(paths), CHALLENGE_2020, {}, "/s", ("hail", "rust"))
    assert pairing.classes == ("hail", "rust")
    assert all(sorted(tile.labels) == ["hail", "rust"] for tile in pairing.tiles)
    assert pairing.left_aside == {"waterway": len(NAMES)}
    with pytest.raises(DataError, match=r"unknown class folder 'train/labels/hail' .*; ingest_classes can name others"):
        pair_release(listing(paths), CHALLENGE_2020, {}, "/s")
    with pytest.raises(SettingsError, match=r"names 'frost', .* it has hail, rust, waterway"):
        pair_release(listing(paths), CHALLENGE_2020, {}, "/s", ("frost",))


def test_known_classes_can_be_selected_too_and_are_all_taken_by_default():
    paths = labelled_with("waterway", "cloud_shadow")
    assert pair_release(listing(paths), CHALLENGE_2020, {}, "/s").classes == CHALLENGE_2020_CLASSES
    pairing = pair_release(listing(paths), CHALLENGE_2020, {}, "/s", ("waterway",))
    assert len(pairing.tiles) == len(NAMES)  # one without the class is background
    assert pairing.classes == ("waterway",)


def test_what_is_left_aside_is_said(tmp_path, capsys):
    for path in (f"{name}/{name}{number}.jpg" for name in ("rust", "soil", "weed") for number in range(4)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    survey = survey_source(str(tmp_path), IngestSettings(classes="weed,rust"), StepLog("ingest"))
    assert (survey.pairing.classes, len(survey.tiles)) == (("weed", "rust"), 8)
    assert "left aside, as their class is not in the class list: 4 of soil" in capsys.readouterr().out
