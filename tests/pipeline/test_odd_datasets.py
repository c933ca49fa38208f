"""The checks of a dataset, given what they do not expect: one line, the right exit code, and no waiting."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from command_here import agrivision_here
from odd_files import (
    deep,
    device,
    folder,
    link_to_itself,
    link_to_nothing,
    made_by_hand,
    picture,
    pipe,
    refused,
    sparse,
)
from sharded import small_dataset

from components.contracts import Manifest

VERDICT = "no shift; too few fields to tell"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    return small_dataset(root)[0]


@pytest.fixture
def data_root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


def manifest_of(data_root: Path) -> Path:
    (path,) = (data_root / "datasets").glob("*/manifest.json")
    return path


@pytest.mark.parametrize("place", ["", "datasets/{id}", "datasets/{id}/", "datasets/{id}/manifest.json"])
@pytest.mark.parametrize("command", ["verify", "verify --leaks", "drift"])
def test_a_dataset_is_found_by_its_manifest_its_folder_or_its_data_root(
    data_root: Path, command: str, place: str
) -> None:
    given = f"{data_root}/{place.format(id=manifest_of(data_root).parent.name)}"

    result = agrivision_here(*command.split(), given, *([given] if command == "drift" else []))

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(VERDICT if command == "drift" else "dataset ")


MANIFESTS: dict[Callable[[Path], None], str] = {
    pipe: "is a pipe or a device; expected a file",
    device: "is a pipe or a device; expected a file",
    link_to_nothing: "no manifest at ",
    link_to_itself: "Too many levels of symbolic links; remove the link that leads to itself",
    picture: "is not a manifest that this version can read: JSON is malformed",
    made_by_hand: "is not a manifest that this version can read: Object missing required field",
    deep: "is not a manifest that this version can read: ",
    sparse: "has 314,572,800 bytes, and a manifest at most 268,435,456",
}


@pytest.mark.parametrize("command", ["verify", "verify --leaks", "drift"])
@pytest.mark.parametrize(
    ("make", "is_given_by"),
    [(make, by) for make in MANIFESTS for by in ("file", "folder") if (make, by) != (folder, "file")],
)
def test_what_is_no_manifest_is_refused(
    made: Path, tmp_path: Path, make: Callable[[Path], None], is_given_by: str, command: str
) -> None:
    make(tmp_path / "manifest.json")
    given = tmp_path / "manifest.json" if is_given_by == "file" else tmp_path

    refused(agrivision_here(*command.split(), given, *([made] if command == "drift" else [])), 42, MANIFESTS[make])


@pytest.mark.parametrize("command", ["verify", "verify --leaks", "drift"])
@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("", 2, "the manifest's path is empty"),
        (
            "none/manifest.json",
            42,
            "no manifest at 'none/manifest.json'; expected <data_root>/datasets/",
        ),
        ("empty", 42, "no manifest in the folder 'empty'; expected"),
        ("file/manifest.json", 42, "something on the way to it is a file; expected folders"),
        ("x" * 5000, 42, "File name too long; choose a shorter name"),
        ("a\x1b[2J\n[bold]", 42, "no manifest at "),
        ("caf\udce9", 42, "no manifest at "),
        ("gs://", 2, "no bucket in 'gs://'"),
        ("ftp://a/b", 2, "cannot read or write 'ftp://a/b'"),
    ],
)
def test_a_path_that_leads_to_no_manifest_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, given: str, code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file").touch()

    refused(agrivision_here(*command.split(), given, *([made] if command == "drift" else [])), code, message)


def test_of_several_datasets_one_must_be_named(data_root: Path) -> None:
    path = manifest_of(data_root)
    shutil.copytree(path.parent, path.parents[1] / "0123456789abcdef")

    refused(
        agrivision_here("verify", data_root), 2, f"'{data_root}' holds 2 datasets, give one of them: '{path.parents[1]}"
    )


def test_a_manifest_of_a_later_format_is_refused_for_what_it_is(data_root: Path, tmp_path: Path) -> None:
    later = msgspec.structs.replace(Manifest.read(manifest_of(data_root)), format_version=2)
    later.write(tmp_path / "manifest.json")

    for arguments in (["verify", tmp_path, "--data-root", data_root], ["drift", tmp_path, data_root]):
        refused(agrivision_here(*arguments), 42, "is a manifest of format 2, and this version of the project reads")


@pytest.mark.parametrize("given", ["none", "file"])
def test_a_data_root_that_is_no_folder_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()

    result = agrivision_here("verify", manifest_of(made), "--data-root", given)

    refused(result, 2, f"data_root '{given}' is no folder; expected the one that holds shards/")


@pytest.mark.parametrize("make", [folder, pipe, device, link_to_nothing, link_to_itself, picture])
@pytest.mark.parametrize("part", ["shards/*.tfrecord", "shards/*.records", "datasets/*/fields.jsonl"])
def test_a_part_of_a_dataset_that_is_no_file_is_refused(
    data_root: Path, made: Path, part: str, make: Callable[[Path], None]
) -> None:
    path = min(data_root.glob(part))
    path.unlink()
    make(path)

    commands = [["verify", data_root]]
    commands += [["verify", "--leaks", data_root]] * (part == "shards/*.tfrecord")
    commands += [["drift", data_root, made]] * (part == "datasets/*/fields.jsonl")
    for arguments in commands:
        result = agrivision_here(*arguments)
        refused(result, 42, path.name if "fields" not in part or make is not link_to_nothing else "are missing")
        if make is link_to_nothing:
            assert "delete it" not in result.stderr


def test_nobody_is_told_to_delete_what_a_link_puts_elsewhere(data_root: Path, tmp_path: Path) -> None:
    path = min((data_root / "shards").glob("*.tfrecord"))
    (tmp_path / "precious").write_bytes(path.read_bytes()[:-1])
    path.unlink()
    path.symlink_to(tmp_path / "precious")

    result = agrivision_here("verify", data_root)

    refused(result, 42, f"a link puts it outside '{data_root}', at '{tmp_path}/precious': restore it there or remove")
    assert "delete it" not in result.stderr
