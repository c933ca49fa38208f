"""Links and names in a folder: every real folder once, nothing from outside unless asked for, one line for the rest.

An explosion must come to nothing within seconds and little memory, so some tests have a time of their own.
"""

import os
import re
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_here import agrivision_here

from components import mirror, storage
from components.errors import DataError
from components.progress import StepLog
from components.storage import disk

pytestmark = pytest.mark.hostile


def write(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return root


def listed(root: Path, say: Callable[[str], None] | None = None) -> list[str]:
    return sorted(file.path for file in storage.list_files(str(root), say))


def test_folders_with_links_to_each_other_are_each_listed_once(tmp_path: Path) -> None:
    """8 folders and 56 links were 109,600 files; 20 folders would be more than any disk holds."""
    folders = [f"f{number:02}" for number in range(20)]
    write(tmp_path, *(f"{folder}/tile.jpg" for folder in folders))
    for folder in folders:
        for other in folders:
            if other != folder:
                (tmp_path / folder / f"to-{other}").symlink_to(tmp_path / other)
    said: list[str] = []
    started = time.monotonic()

    assert listed(tmp_path, said.append) == [f"{folder}/tile.jpg" for folder in folders]

    assert time.monotonic() - started < 5
    assert said == [f"left out 380 links under '{tmp_path}' to folders that are listed anyway, e.g. 'f00/to-f01'"]


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({"up": "."}, ["z/a.jpg"]),
        ({"z/up": ".."}, ["z/a.jpg"]),
        ({"a": "z"}, ["z/a.jpg"]),  # the folder itself is listed, however the links to it sort
        ({"b.jpg": "z/a.jpg"}, ["b.jpg", "z/a.jpg"]),  # a link to a file is a file
        ({"b": ".store/one"}, ["b/c.jpg", "z/a.jpg"]),  # what is hidden can be linked to
        ({"b": ".store/one", "c": ".store"}, ["b/c.jpg", "z/a.jpg"]),  # but is listed once: c holds nothing else
        ({"nowhere": "gone", "z/nowhere.jpg": "gone.jpg"}, ["z/a.jpg"]),
    ],
)
def test_links_within_the_root_are_followed_to_what_is_not_listed_yet(
    tmp_path: Path, links: dict[str, str], expected: list[str]
) -> None:
    write(tmp_path, "z/a.jpg", ".store/one/c.jpg")
    for path, target in links.items():
        (tmp_path / path).symlink_to(target)

    assert listed(tmp_path) == expected


@pytest.mark.parametrize("links", [{"a.jpg": "a.jpg"}, {"a": "b", "b": "a"}, {"z/x": "y", "z/y": "x"}])
def test_a_link_to_itself_is_one_line_and_exit_42(tmp_path: Path, links: dict[str, str]) -> None:
    write(tmp_path, "z/tile.jpg")
    for path, target in links.items():
        (tmp_path / path).symlink_to(target)

    result = agrivision_here("plan", "--source-uri", tmp_path)

    assert result.returncode == 42
    assert re.fullmatch(rf".*the link '\S+' under '{tmp_path}' leads to itself; remove it, or .*\n", result.stderr)


@pytest.mark.parametrize("target", ["secret", "secret/key.jpg", "/etc", "/proc/self/environ", "/"])
def test_a_link_out_of_the_root_is_refused_unless_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    write(tmp_path, "root/tile.jpg", "secret/key.jpg")
    (tmp_path / "root/link").symlink_to(tmp_path / target)
    with pytest.raises(DataError, match=r"the link 'link' under '.*/root' leads out of that folder, to '.*'; copy the"):
        listed(tmp_path / "root")

    if target.startswith("secret"):
        monkeypatch.setenv("AGRIVISION_FOLLOW_LINKS", "true")
        assert listed(tmp_path / "root") == ["link/key.jpg" if target == "secret" else "link", "tile.jpg"]


def test_a_name_that_begins_like_the_root_is_outside_of_it(tmp_path: Path) -> None:
    write(tmp_path, "root/tile.jpg", "root-of-another/key.jpg")
    (tmp_path / "root/link").symlink_to("../root-of-another")
    with pytest.raises(DataError, match="leads out of that folder"):
        listed(tmp_path / "root")


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/deep/tile.jpg")
    (tmp_path / "real/again").symlink_to(tmp_path / "real/deep")
    (tmp_path / "root").symlink_to("real")
    assert listed(tmp_path / "root") == ["deep/tile.jpg"]


def test_a_source_made_of_links_to_another_disk_is_listed_the_same_whatever_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followed links may lead to folders above, below and beside each other."""
    monkeypatch.setenv("AGRIVISION_FOLLOW_LINKS", "true")
    nas = write(tmp_path / "nas", "2019/a/1.jpg", "2019/b/2.jpg", "2020/3.jpg")
    (nas / "2020/back").symlink_to(nas)
    links = {"x": "2019", "w": "2019/a", "v": "2020"}
    found = []
    for order in (list(links), list(reversed(links))):
        root = tmp_path / "-".join(order)
        root.mkdir()
        for name in order:
            (root / name).symlink_to(nas / links[name])
        found.append(listed(root))
    assert found[0] == found[1] == ["v/3.jpg", "w/1.jpg", "x/b/2.jpg"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (b"feld-\xfc.jpg", "is not UTF-8"),
        (b"a\n2.jpg", "has the control character U+000A"),
        (b"\x1b[2J.jpg", "has the control character U+001B"),
        (b"Icon\r", "has the control character U+000D"),
        (b"a\\b.jpg", "has a backslash"),
        ("a\u202egpj.exe".encode(), "has the control character U+202E"),
    ],
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_hostile_name_on_disk_is_one_printable_line(tmp_path: Path, name: bytes, fault: str, is_folder: bool) -> None:
    place = tmp_path / os.fsdecode(name)
    write(place, "tile.jpg") if is_folder else place.write_bytes(b"1")

    result = agrivision_here("plan", "--source-uri", tmp_path)

    assert (result.returncode, result.stdout) == (42, "")
    assert f"a file under '{tmp_path}' has a name that is not a path below it: " in result.stderr
    assert f"{fault}; rename or remove it\n" in result.stderr
    assert result.stderr.removesuffix("\n").isprintable()


def test_a_folder_deeper_than_any_path_is_one_line(tmp_path: Path) -> None:
    """Folders in folders, made one by one, can be deeper than what the system opens by one path."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    try:
        with pytest.raises(DataError, match=r"'ddd.*'… is 1,205 bytes long, more than 1,024"):
            listed(tmp_path)
    finally:
        shutil.rmtree(tmp_path)


def test_a_ring_of_links_takes_no_memory_to_speak_of(tmp_path: Path) -> None:
    """Each of 300 folders links to the next; a folder is remembered by two numbers, a link by its path."""
    write(tmp_path, *(f"f{number}/tile.jpg" for number in range(300)))
    for number in range(300):
        os.symlink(tmp_path / f"f{(number + 1) % 300}", tmp_path / f"f{number}/next")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(listed(tmp_path)) == 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize("path", ["out/x.jpg", "out/deep/x.jpg"])
def test_a_mirror_does_not_leave_its_target_by_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    source = write(tmp_path / "source", path)
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "out").symlink_to(outside)
    with pytest.raises(DataError, match=r"would be written to '.*/outside/.*', because of a link; expected a place"):
        mirror.mirror(str(source), str(target), StepLog("mirror"))
    assert list(outside.iterdir()) == []

    monkeypatch.setenv("AGRIVISION_FOLLOW_LINKS", "true")
    mirror.mirror(str(source), str(target), StepLog("mirror"))
    assert listed(outside) == [path.removeprefix("out/")]


def test_a_mirror_takes_names_as_long_as_a_disk_does(tmp_path: Path) -> None:
    source = write(tmp_path / "source", f"{'a' * 251}.jpg")
    mirror.mirror(str(source), str(tmp_path / "target"), StepLog("mirror"))
    assert listed(tmp_path / "target") == listed(source)


def test_a_place_below_a_folder_is_where_its_path_says(tmp_path: Path) -> None:
    assert disk.place_below(tmp_path / "new", "a/b") == tmp_path / "new/a/b"
