"""Objects whose names lead elsewhere: nothing of them is written, listed or read, and one line says which it was."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_here import agrivision_here
from hostile_names import HARMLESS, HOSTILE
from tampered_bucket import ROOT, TamperedBucket, tampered_bucket

from components import mirror, storage
from components.errors import DataError
from components.progress import StepLog
from components.saved_model.files import verified_copy
from components.storage import whole_folder

pytestmark = pytest.mark.hostile
GRAPH = {"saved_model.pb": hashlib.sha256(b"graph").hexdigest()}
# No server sends these: one is not UTF-8, the others are the objects of folders, which are passed over.
_OBJECTS = [name for name in HOSTILE if "\udcfc" not in name and name and not name.endswith("/")]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[TamperedBucket]:
    with tampered_bucket(monkeypatch) as served:
        served.objects["saved_model.pb"] = b"graph"
        yield served


@pytest.mark.parametrize("name", _OBJECTS)
def test_a_hostile_object_is_neither_listed_nor_written(served: TamperedBucket, tmp_path: Path, name: str) -> None:
    served.objects[name] = b"owned"
    here = tmp_path / "deep/er/model"
    uses = (
        lambda: list(storage.list_files(ROOT)),
        lambda: verified_copy(ROOT, GRAPH, here),
        lambda: mirror.mirror(ROOT, str(here), StepLog("mirror")),
        lambda: whole_folder.remove(ROOT, "saved_model.pb"),
    )
    for use in uses:
        with pytest.raises(DataError, match=re.escape(f"{HOSTILE[name]}; rename or remove it")) as raised:
            use()
        assert str(raised.value).startswith(f"an object in '{ROOT}' has a name that is not a path below it: ")
        assert str(raised.value).isprintable()
    # What came before it in the listing may be there, below its target.
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(here) for path in written)
    assert served.deleted == []


def test_harmless_objects_are_listed_and_copied(served: TamperedBucket, tmp_path: Path) -> None:
    names = {name for name in HARMLESS if not name.startswith((".", "a/")) and "/." not in name} - {"a"}
    for name in names:
        served.objects[name] = name.encode()
    assert {file.path for file in storage.list_files(ROOT)} == {"saved_model.pb", *names}
    mirror.mirror(ROOT, str(tmp_path), StepLog("mirror"))
    assert {name: (tmp_path / name).read_bytes() for name in names} == {name: name.encode() for name in names}


def test_an_absolute_rest_behind_the_prefix_is_not_written_there(served: TamperedBucket, tmp_path: Path) -> None:
    """`…/abc//elsewhere/owned.py` has the path `/elsewhere/owned.py` below `…/abc`, which joining takes as absolute."""
    target = tmp_path / "elsewhere/owned.py"
    served.objects[str(target)] = b"owned"
    with pytest.raises(DataError, match=rf"'{target}' is absolute"):
        verified_copy(ROOT, GRAPH, tmp_path / "local")
    assert not target.exists()


def test_a_source_with_a_hostile_object_ends_with_42_and_one_line(served: TamperedBucket) -> None:
    served.objects["train/\x1b]0;owned\x07.jpg"] = b"owned"
    result = agrivision_here("plan", "--source-uri", ROOT)
    assert result.returncode == 42
    assert r"'train/\x1b]0;owned\x07.jpg' has the control character U+001B; rename or remove it" in result.stderr
    assert result.stderr.removesuffix("\n").isprintable()


@pytest.mark.parametrize("names", [("a", "a/b"), ("saved_model.pb/x",), ("v/w", "v/w/x/y")])
def test_objects_that_cannot_be_files_of_one_folder_are_one_line(
    served: TamperedBucket, tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        served.objects[name] = b"owned"
    with pytest.raises(DataError, match="a bucket can hold a file and a folder of one name, and a disk can"):
        mirror.mirror(ROOT, str(tmp_path), StepLog("mirror"))


def test_a_copy_of_a_model_does_not_follow_a_link_that_is_already_there(served: TamperedBucket, tmp_path: Path) -> None:
    served.objects["variables/variables.index"] = b"owned"
    (tmp_path / "model").mkdir()
    (tmp_path / "model/variables").symlink_to(tmp_path)
    with pytest.raises(DataError, match="because of a link; expected a place below"):
        verified_copy(ROOT, GRAPH | {"variables/variables.index": "0" * 64}, tmp_path / "model")
    assert not (tmp_path / "variables.index").exists()


@pytest.mark.parametrize("name", ["..", "."])
def test_a_local_copy_lies_in_a_folder_of_its_own(name: str) -> None:
    with pytest.raises(DataError, match=f"has the part '{re.escape(name)}'"), storage.local_copy(f"{ROOT}/{name}"):
        pass


def test_hidden_objects_and_the_objects_of_folders_are_passed_over(served: TamperedBucket) -> None:
    for name in (".git/config", "a/.hidden", "folder/", "a/b.c"):
        served.objects[name] = b"owned"
    assert sorted(file.path for file in storage.list_files(ROOT)) == ["a/b.c", "saved_model.pb"]
