"""The commands beside the pipeline, given what they do not expect: one line, the right exit code, and no waiting."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from command_here import agrivision_here
from model_cards import card_of
from sharded import small_dataset

from components.contracts import Manifest, Production

VERDICT = "no shift; too few fields to tell"


def refused(result: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    """Checks that a command said why it refuses, in one line that cannot steer a terminal."""
    (line,) = result.stderr.splitlines()
    assert message in line
    assert (result.returncode, result.stdout) == (code, "")
    assert line.isprintable()
    assert len(line) < 1000


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


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def picture(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))


def made_by_hand(path: Path) -> None:
    path.write_text("{}")


def deep(path: Path) -> None:
    path.write_text('{"splits":' + "[" * 200_000 + "]" * 200_000 + "}")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(300 << 20)


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


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with version b in production and a before it; each has a card."""
    root = tmp_path / "models"
    for version in "ab":
        card_of(version).write(root / "versions" / version / "card.json")
    (root / "production.json").write_bytes(Production(version="b", previous="a").to_json())
    return root


@pytest.mark.parametrize("place", ["", "/", "/production.json", "/versions", "/versions/"])
def test_rollback_understands_a_file_or_folder_of_the_models(models: Path, place: str) -> None:
    result = agrivision_here("rollback", f"{models}{place}")

    assert (result.returncode, result.stdout) == (0, "production is now a, before it was b\n"), result.stderr
    assert json.loads((models / "production.json").read_text())["version"] == "a"


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ("", 2, "the models URI is empty"),
        ("none", 2, "nothing is in production in 'none'"),
        ("models/production.json/x", 42, "something on the way to it is a file"),
        ("models/versions/a", 2, "nothing is in production in 'models/versions/a'"),
        ("models/versions/a/card.json", 2, "is not a folder; expected the models_uri of a pipeline that pushed"),
        ("/dev/null", 2, "'/dev/null' is not a folder"),
        ("x" * 5000, 42, "File name too long; choose a shorter name"),
        ("a\x1b[2J\n[bold]", 2, "nothing is in production in "),
        ("caf\udce9", 2, "nothing is in production in "),
        ("gs://", 2, "no bucket in 'gs://'"),
        ("s3://a/b", 2, "cannot write to 's3://a/b/production.json'"),
        ("ftp://a/b", 2, "cannot read or write 'ftp://a/b'"),
    ],
)
def test_rollback_refuses_what_is_no_models_uri(
    models: Path, monkeypatch: pytest.MonkeyPatch, given: str, code: int, message: str
) -> None:
    monkeypatch.chdir(models.parent)

    refused(agrivision_here("rollback", given), code, message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (folder, "production.json': Is a directory; expected a file"),
        (pipe, "is a pipe or a device; expected a file"),
        (device, "is a pipe or a device; expected a file"),
        (link_to_itself, "remove the link that leads to itself"),
        (picture, "is not a production that this version can read"),
        (made_by_hand, "is not a production that this version can read"),
    ],
)
def test_rollback_refuses_a_pointer_that_is_none(models: Path, make: Callable[[Path], None], message: str) -> None:
    (models / "production.json").unlink()
    make(models / "production.json")

    refused(agrivision_here("rollback", models), 42, message)


@pytest.mark.parametrize("make", [None, folder, pipe, picture, made_by_hand])
def test_rollback_stays_if_the_previous_version_has_no_good_card(
    models: Path, make: Callable[[Path], None] | None
) -> None:
    (models / "versions/a/card.json").unlink()
    if make:
        make(models / "versions/a/card.json")
    before = (models / "production.json").read_bytes()

    refused(agrivision_here("rollback", models), 42, "production stays at b")
    assert (models / "production.json").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "tiles are written to a folder of this machine, got ''"),
        ("gs://b/tiles", "tiles are written to a folder of this machine, got 'gs://b/tiles'"),
        ("s3://b/tiles", "tiles are written to a folder of this machine, got 's3://b/tiles'"),
        ("ftp://b", "cannot read or write 'ftp://b'"),
        ("file", "is a file; choose another name"),
        ("file/below", "cannot make the output folder 'below' in "),
        ("pipe", "is a file; choose another name"),
        ("loop", "a link leads to itself"),
        ("full", "is not empty; choose a new one, or remove it first"),
        ("x" * 300, "File name too long; choose a shorter name"),
        ("/proc/tiles", "cannot make the output folder 'tiles' in '/proc'"),
    ],
)
def test_synth_refuses_a_place_it_cannot_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    Path("full/inner").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))

    code = 42 if len(given) > 255 else 2

    refused(agrivision_here("synth", given, "--num-tiles", "1", "--tile-size-px", "64"), code, message)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--num-tiles", 10**15, "num_tiles must be at most 10,000,000, got 1,000,000,000,000,000"),
        ("--tile-size-px", 100_000, "tile_size_px must be at most 2,048, got 100,000"),
    ],
)
def test_synth_refuses_what_no_memory_would_hold(tmp_path: Path, option: str, value: int, message: str) -> None:
    refused(agrivision_here("synth", tmp_path / "tiles", option, value), 2, message)


@pytest.mark.parametrize("name", ["a\x1b[2J\n[bold]", "caf\udce9"])
def test_synth_says_in_one_line_where_it_wrote(tmp_path: Path, name: str) -> None:
    result = agrivision_here("synth", tmp_path / name, "--num-tiles", 1, "--tile-size-px", 64)

    (line,) = result.stdout.splitlines()
    assert line.startswith("wrote 1 tiles of 1 fields to ")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("source", "target", "code", "message"),
    [
        ("none", "copy", 42, "no such folder: 'none'"),
        ("file", "copy", 42, "no such folder: 'file'"),
        ("empty", "copy", 42, "no file under 'empty'; expected the folder of a source"),
        ("tiles", "tiles", 2, "the target 'tiles' is in the source 'tiles'; choose a folder outside it"),
        ("tiles", "tiles/copy", 2, "the target 'tiles/copy' is in the source 'tiles'"),
        ("tiles", "link/copy", 2, "the target 'link/copy' is in the source 'tiles'"),
        ("tiles", "file", 42, "cannot be copied to 'file/a.jpg'"),
        ("tiles", "x" * 300, 42, "File name too long; choose a shorter name"),
        ("gs://b/tiles", "gs://b/tiles/copy", 2, "the target 'gs://b/tiles/copy' is in the source 'gs://b/tiles'"),
    ],
)
def test_mirror_refuses_what_it_cannot_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str, code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("empty").mkdir()
    Path("tiles").mkdir()
    Path("tiles/a.jpg").write_bytes(b"tile")
    Path("link").symlink_to("tiles")

    refused(agrivision_here("mirror", source, target), code, message)
