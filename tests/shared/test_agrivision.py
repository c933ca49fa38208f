import pytest

from components import agrivision
from components.agrivision import TileId, parse_tile_id, year_of


def test_a_tile_name_is_parsed_and_printed_alike():
    name = "1AD76MIZN_659-8394-1171-8906"

    assert parse_tile_id(name) == TileId("1AD76MIZN", 659, 8394, 1171, 8906)
    assert str(parse_tile_id(name)) == name


@pytest.mark.parametrize(
    "stem",
    [
        "",
        "IMG_0001",
        "A_0-0-512",  # three numbers
        "A_0-0-512-512.jpg",  # the stem is without its extension
        "_0-0-512-512",  # no field
        "A_B_0-0-512-512",  # the underscore ends the field id
        "A_0-0-512--512",
        "A_512-0-512-512",  # an empty window
        "A_0-512-512-0",  # upside down
    ],
)
def test_other_names_are_refused(stem):
    with pytest.raises(ValueError, match="tile"):
        parse_tile_id(stem)


@pytest.mark.parametrize(
    ("classes", "count"),
    [
        (agrivision.PAPER_2020_CLASSES, 9),
        (agrivision.CHALLENGE_2020_CLASSES, 6),
        (agrivision.SUPERVISED_2021_CLASSES, 8),
    ],
)
def test_class_lists_are_sorted_so_that_their_order_cannot_be_mistaken(classes, count):
    assert len(classes) == count
    assert list(classes) == sorted(set(classes))


def test_the_values_of_a_label_map_are_those_of_the_challenge():
    values = {name: place for place, name in enumerate(agrivision.CHALLENGE_2020_CLASSES, 1)}
    assert values == {
        "cloud_shadow": 1,
        "double_plant": 2,
        "planter_skip": 3,
        "standing_water": 4,
        "waterway": 5,
        "weed_cluster": 6,
    }


def test_of_the_nine_classes_the_challenges_of_2021_and_2022_do_not_score_storm_damage():
    assert (
        *("double_plant", "drydown", "endrow", "nutrient_deficiency", "planter_skip"),
        *("storm_damage", "water", "waterway", "weed_cluster"),
    ) == agrivision.PAPER_2020_CLASSES
    assert set(agrivision.PAPER_2020_CLASSES) - set(agrivision.SUPERVISED_2021_CLASSES) == {"storm_damage"}


def test_the_imbalance_is_the_papers():
    counts = agrivision.PAPER_2020_CLASS_COUNTS

    assert set(counts) == set(agrivision.PAPER_2020_CLASSES)
    assert round(max(counts.values()) / min(counts.values())) == 55


@pytest.mark.parametrize(
    ("path", "year"),
    [
        ("data2017_miniscale/field_images/rgb/A_0-0-512-512.jpg", 2017),
        ("release/data2019_miniscale/field_images/rgb/A_0-0-512-512.jpg", 2019),
        ("train/images/rgb/A_0-0-512-512.jpg", 0),  # the challenge's layout does not tell
        ("mydata2017_miniscale/a.jpg", 0),
        ("data2017_miniscale.jpg", 0),
    ],
)
def test_the_year_is_that_of_the_folder(path, year):
    assert year_of(path) == year
