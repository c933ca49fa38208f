"""A mirror holds the same bytes, goes on where it stopped, and never holds a file that changed while it was read."""

import os

import pytest
from bounded import run_bounded

from components import mirror, storage
from components.contracts import SourceFile
from components.errors import DataError
from components.progress import StepLog

LOG = StepLog("mirror")


def write(folder, **files):
    for name, content in files.items():
        (folder / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "a" / name).write_bytes(content)
    return str(folder)


def test_only_files_that_are_missing_or_of_another_size_are_copied(tmp_path):
    source = write(tmp_path / "source", new=b"new", there=b"here", cut=b"whole")
    target = write(tmp_path / "target", there=b"HERE", cut=b"who", other=b"kept")

    text = mirror.mirror(source, target, LOG)

    assert text == f"copied 2 files (0.0 MB) to {target}; 1 already there"
    found = {path.name: path.read_bytes() for path in (tmp_path / "target/a").iterdir()}
    assert found == {"new": b"new", "cut": b"whole", "there": b"HERE", "other": b"kept"}


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (SourceFile("a/tile.jpg", 9, "1"), r"has changed since it was listed: expected 9 bytes, got 4; run again"),
        (SourceFile("a/gone.jpg", 4, "1"), r"gone\.jpg' has disappeared since it was listed; run again"),
    ],
)
def test_a_file_that_changes_or_vanishes_meanwhile_is_not_copied(tmp_path, monkeypatch, listed, message):
    source = write(tmp_path / "source", **{"tile.jpg": b"tile"})
    monkeypatch.setattr(storage, "list_source", lambda root, say: iter([listed]))

    with pytest.raises(DataError, match=message):
        mirror.mirror(source, str(tmp_path / "target"), LOG)

    assert not (tmp_path / "target").exists()


def test_a_file_larger_than_memory_is_copied(tmp_path):
    source = write(tmp_path / "source", **{"tile.jpg": b"tile"})
    with (tmp_path / "source/a/huge.bin").open("wb") as file:
        file.write(b"begin")
        file.truncate(600 << 20)

    text = run_bounded("bounded_mirror.mirrored", source, str(tmp_path / "target"))

    assert text == f"copied 2 files (629.1 MB) to {tmp_path / 'target'}"
    with (tmp_path / "target/a/huge.bin").open("rb") as copy:
        assert copy.read(6) == b"begin\0"
    assert (tmp_path / "target/a/huge.bin").stat().st_size == 600 << 20


def test_a_large_file_that_has_grown_or_shrunk_is_not_copied(tmp_path, monkeypatch):
    size = mirror._PART_BYTES + 10
    source = write(tmp_path / "source", **{"tile.jpg": bytes(size)})
    for listed, got in ((size - 1, f"{size:,} or more"), (size + 1, f"{size:,}")):
        monkeypatch.setattr(
            storage, "list_source", lambda root, say, listed=listed: iter([SourceFile("a/tile.jpg", listed, "1")])
        )
        with pytest.raises(DataError, match=f"expected {listed:,} bytes, got {got}; run again"):
            mirror.mirror(source, str(tmp_path / "target"), LOG)
        assert not [path for path in (tmp_path / "target").rglob("*") if path.is_file()]


def test_what_is_not_copied_is_counted(tmp_path):
    source = write(tmp_path / "source", **{"tile.jpg": b"tile", ".DS_Store": b"x", "._tile.jpg": b"x", ".hidden": b"x"})
    os.mkfifo(tmp_path / "source/a/pipe")

    text = mirror.mirror(source, str(tmp_path / "target"), LOG)

    assert text == (
        f"copied 1 files (0.0 MB) to {tmp_path / 'target'}; not copied: 1 x a FIFO, a socket or a device (e.g. a/pipe)"
        "; not copied: 2 x litter of an operating system (e.g. a/.DS_Store); not copied: 1 x hidden (e.g. a/.hidden)"
    )


def test_links_to_nothing_fail_a_mirror_after_the_rest_is_copied(tmp_path):
    source = write(tmp_path / "source", **{"tile.jpg": b"tile"})
    for name in ("mask1.png", "mask2.png"):
        (tmp_path / "source/a" / name).symlink_to("../.git/annex/objects/xx")

    with pytest.raises(
        DataError, match=r"2 links under .* lead to nothing, e.g. 'a/mask1.png', 'a/mask2.png'; the rest"
    ):
        mirror.mirror(source, str(tmp_path / "target"), LOG)

    assert [path.name for path in (tmp_path / "target/a").iterdir()] == ["tile.jpg"]
