"""Names of files that follow from names that others chose."""

import pytest

from components.errors import SettingsError
from components.maps.output.file_names import file_names


def test_files_are_called_like_the_map():
    names = file_names("north field", ("water", "weeds"))
    assert (names.tiff, names.geojson, names.page) == ("north field.tif", "north field.geojson", "north field.html")
    assert names.pngs == ("north field.water.png", "north field.weeds.png")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        ("..", "has the part '..'"),
        ("/etc/passwd", "is absolute"),
        ("a/b", "has a slash"),
        (".hidden", "is hidden"),
        ("a\nb", "control character"),
        ("x" * 151, "is 151 bytes long"),
    ],
)
def test_a_map_has_a_name_that_stays_in_its_folder(name, why):
    with pytest.raises(SettingsError, match=f"a map cannot be called .*{why}"):
        file_names(name, ("water",))


@pytest.mark.parametrize("classes", [("a/b", "c"), ("..", "c"), ("x" * 81, "c"), ("Weeds", "weeds"), ("a\x00", "c")])
def test_classes_that_cannot_be_told_apart_by_files_have_numbers(classes):
    assert file_names("north", classes).pngs == ("north.class-1.png", "north.class-2.png")
