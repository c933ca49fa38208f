"""The commands for models, demo tiles and copies, given what they do not expect: one line, the right exit code."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command_here import agrivision_here
from model_cards import card_of
from odd_files import device, folder, link_to_itself, made_by_hand, picture, pipe, refused

from components.contracts import Channel


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with version b in production and a before it; each has a card."""
    root = tmp_path / "models"
    for version in "ab":
        card_of(version).write(root / "versions" / version / "card.json")
    (root / "production.json").write_bytes(Channel(version="b", previous="a").to_json())
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
        (picture, "is not a channel that this version can read"),
        (made_by_hand, "is not a channel that this version can read"),
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
