"""A model's files are those that its document names, to the byte, or nothing of it is loaded."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import DataError
from components.saved_model.files import digests, verified_copy

pytestmark = pytest.mark.hostile
CONTENTS = {
    "saved_model.pb": b"graph",
    "fingerprint.pb": b"fingerprint",
    "variables/variables.index": b"index",
    "variables/variables.data-00000-of-00001": b"data",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, content in CONTENTS.items():
        target = tmp_path / "model" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return tmp_path / "model"


def test_the_copy_is_what_was_compared(folder: Path, tmp_path: Path) -> None:
    (folder / "card.json").write_text("beside the model")
    with pytest.raises(DataError, match=r"card.json' is no file that a SavedModel of this project has"):
        digests(str(folder))
    (folder / "card.json").unlink()
    files = digests(str(folder))
    (folder / "card.json").write_text("beside the model")
    assert set(files) == set(CONTENTS)
    copy = verified_copy(str(folder), files, tmp_path / "copy", beside=("card.json",))
    shutil.rmtree(folder)
    copied = {path.relative_to(copy).as_posix(): path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert copied == CONTENTS


def large(folder: Path) -> None:
    with (folder / "saved_model.pb").open("wb") as file:
        file.truncate(1 << 40)


def many(folder: Path) -> None:
    for number in range(100):
        (folder / f"{number}.txt").touch()


def pipe_in_place_of_a_file(folder: Path) -> None:
    (folder / "fingerprint.pb").unlink()
    (folder / "fingerprint.pb").symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: (folder / "saved_model.pb").write_bytes(b"other"),
            r"saved_model.pb' has sha256 d9298a10",
        ),
        (lambda folder: (folder / "variables/variables.index").unlink(), r"variables.index' is missing"),
        (
            lambda folder: (folder / "fingerprint.pb").unlink(),
            r"fingerprint.pb' (is missing|under .* leads out of that folder)",
        ),
        (pipe_in_place_of_a_file, r"fingerprint.pb' (is missing|under .* leads out of that folder)"),
        (lambda folder: (folder / "saved_model.pb").unlink(), r"no SavedModel at '.*model'; was it removed"),
        (lambda folder: shutil.rmtree(folder), r"no SavedModel at '.*model'; was it removed"),
        (
            lambda folder: (folder / "variables/variables.data-00001-of-00002").touch(),
            r"variables.data-00001-of-00002' is no part of the model that was exported",
        ),
        (lambda folder: (folder / "keras_metadata.pb").touch(), r"keras_metadata.pb' is no part of the model"),
        (large, r"saved_model.pb' must have at most 67,108,864 bytes, got 1,099,511,627,776"),
        (many, "holds more than 16 files"),
    ],
)
def test_a_file_that_was_swapped_added_or_removed_is_named(
    folder: Path, tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    files = digests(str(folder))
    change(folder)
    with pytest.raises(DataError, match=message):
        verified_copy(str(folder), files, tmp_path / "copy")


@pytest.mark.parametrize("path", ["../../elsewhere", "/etc/passwd", "variables/../../x", "assets/a", ""])
def test_a_document_cannot_name_files_elsewhere(folder: Path, tmp_path: Path, path: str) -> None:
    files = {**digests(str(folder)), path: "0" * 64}
    with pytest.raises(DataError, match=r"is not a path below|is no file that a SavedModel of this project has"):
        verified_copy(str(folder), files, tmp_path / "copy")
    assert not (tmp_path / "elsewhere").exists()


def test_a_document_of_an_earlier_version_is_said_to_be_one(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be verified: its document comes from an earlier version"):
        verified_copy(str(folder), {}, tmp_path / "copy")
