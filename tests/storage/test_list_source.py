"""A listing tells what it leaves out, and why: once each, and a folder as one."""

import os
from pathlib import Path

import pytest

from components import storage
from components.contracts import SourceFile, WhyIgnored
from components.errors import DataError


def listed(root: Path) -> dict[str, WhyIgnored | None]:
    found = list(storage.list_source(str(root)))
    by_path = {each.path: None if isinstance(each, SourceFile) else each.reason for each in found}
    assert len(by_path) == len(found)
    return by_path


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def test_everything_in_a_folder_is_a_file_or_is_left_out_with_a_reason(tmp_path: Path) -> None:
    write(tmp_path, "a/1.jpg", "a/.DS_Store", "a/Thumbs.db", ".git/objects/1", ".git/objects/2", "__MACOSX/a/1.jpg")
    write(tmp_path, "only/.gitkeep")
    (tmp_path / "a/empty").mkdir()
    os.mkfifo(tmp_path / "a/pipe")
    (tmp_path / "a/2.jpg").symlink_to("1.jpg")
    (tmp_path / "a/3.jpg").symlink_to("gone.jpg")
    (tmp_path / "a/4.jpg").symlink_to("1.jpg/below")  # through a file, so to nothing as well
    (tmp_path / "a/5.jpg").symlink_to("pipe")
    (tmp_path / "again").symlink_to("a")
    assert listed(tmp_path) == {
        "a/1.jpg": None,
        "a/2.jpg": None,
        "a/.DS_Store": WhyIgnored.LITTER,
        "a/Thumbs.db": WhyIgnored.LITTER,
        "__MACOSX": WhyIgnored.LITTER,
        ".git": WhyIgnored.HIDDEN,
        "only/.gitkeep": WhyIgnored.HIDDEN,
        "only": WhyIgnored.EMPTY_FOLDER,
        "a/empty": WhyIgnored.EMPTY_FOLDER,
        "a/pipe": WhyIgnored.SPECIAL,
        "a/5.jpg": WhyIgnored.SPECIAL,
        "a/3.jpg": WhyIgnored.LINK_TO_NOTHING,
        "a/4.jpg": WhyIgnored.LINK_TO_NOTHING,
        "again": WhyIgnored.LINKED_AGAIN,
    }
    assert sorted(file.path for file in storage.list_files(str(tmp_path))) == ["a/1.jpg", "a/2.jpg"]


def test_a_socket_and_a_hidden_name_that_is_not_utf8_stop_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/.\xff")).write_bytes(b"")
    assert listed(tmp_path) == {"a.jpg": None, ".\udcff": WhyIgnored.HIDDEN}


def test_a_folder_that_is_not_there_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        list(storage.list_source(str(tmp_path / "gone")))
