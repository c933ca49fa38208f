"""Tiles of any name, given twice, linked from elsewhere, or in two formats."""

from pathlib import Path

import pytest
from command_here import agrivision_here
from tile_folders import found_of, tile_folder

from components.predict.tile_files import asked_tiles

pytestmark = pytest.mark.usefixtures("models_here")


def test_a_name_twice_in_two_formats_is_remarked(tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path, **{"rgb/t1.png": b""})
    said: list[str] = []

    with asked_tiles([str(tiles)], {}, said.append) as asked:
        assert [tile.files["rgb"].path for tile in asked.tiles] == [f"{tiles}/rgb/t{number}.jpg" for number in (1, 2)]
    assert said == [f"left out '{tiles}/rgb/t1.png': another rgb image has its name, '{tiles}/rgb/t1.jpg'"]


def test_a_link_out_of_the_folder_is_refused_as_in_a_source(pushed, odd: Path, tmp_path: Path) -> None:
    tile_folder(tmp_path)
    (tmp_path / "rgb/out.jpg").symlink_to(odd / "rgb.jpg")

    result = agrivision_here("predict", pushed.rgb_nir, tmp_path)

    assert result.returncode == 42
    assert "leads out of that folder" in result.stderr


def test_copies_of_one_folder_are_refused_by_their_place(pushed, tmp_path: Path) -> None:
    tiles = tile_folder(tmp_path / "tiles")
    (tmp_path / "link").symlink_to(tiles)

    result = agrivision_here("predict", pushed.rgb_nir, tiles, tmp_path / "link")

    assert result.returncode == 2
    assert "is given twice" in result.stderr


def test_a_tile_of_any_name_is_answered(pushed, odd: Path, tmp_path: Path) -> None:
    names = ["=1+1.jpg", "e\x1b[2J[bold].jpg", "caf\udce9.jpg", 'a b,c;d".jpg']
    for name in names:
        (tmp_path / name).write_bytes((odd / "rgb.jpg").read_bytes())

    result = agrivision_here("predict", pushed.rgb_only, *(tmp_path / name for name in names), "--csv", "-")

    assert (result.returncode, result.stderr) == (0, "")
    assert [tile.rpartition("/")[2] for tile in found_of(result.stdout)] == [
        *("=1+1.jpg", "e\\x1b[2J[bold].jpg", "caf\\udce9.jpg", 'a b,c;d".jpg'),
    ]
