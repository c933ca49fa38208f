"""What can be known before a run is refused before it: one line, nothing started, and nothing left behind."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_here import agrivision_here

from components.synth.dataset import write_dataset

READ_ONLY = "nothing can be written: Read-only file system; make it writable, or choose another place"
FULL = "No space left on device; free some space there, and run again"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "tiles"
    write_dataset(folder, layout="paper-2020", num_tiles=6, seed=1, tile_size_px=64, num_processes=1)
    return folder


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two small disks: `read-only`, and `full`."""
    place = tmp_path_factory.mktemp("disks")
    mounted = []
    for name, options in (("read-only", "ro,size=64k"), ("full", "size=64k")):
        (place / name).mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place / name)]
        if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("only root can mount a small disk")
        mounted.append(place / name)
    (place / "full/file").write_bytes(bytes(60_000))
    yield place
    for disk in mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def refused(tiles: Path, place: Path, **changes: object) -> tuple[int, str]:
    """Runs with some settings changed; returns the exit code and the one line of the refusal."""
    places = {"source_uri": tiles, "data_root": place / "data", "models_uri": place / "m", "runs_dir": place / "runs"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in (places | changes).items()]
    result = agrivision_here("run", *options)
    (line,) = result.stderr.splitlines()
    assert "started" not in result.stdout
    assert not (place / "data").exists()
    assert not (place / "runs").exists()
    return result.returncode, line


@pytest.mark.parametrize("name", ["data_root", "models_uri", "runs_dir"])
@pytest.mark.parametrize(("disk", "code", "reason"), [("read-only", 2, READ_ONLY), ("full", 42, FULL)])
def test_a_place_that_takes_nothing_is_refused(tiles, disks, tmp_path, name, disk, code, reason):
    exit_code, line = refused(tiles, tmp_path, **{name: disks / disk / "new"})
    assert exit_code == code
    assert line.startswith(f"agrivision: {name}")
    assert f"{disks / disk}" in line
    assert line.endswith(reason)


@pytest.mark.parametrize(
    ("disk", "code", "reason"),
    [("read-only", 2, READ_ONLY), ("full", 42, FULL), ("missing", 2, "No such file or directory; make it writable")],
)
def test_a_folder_for_temporary_files_that_takes_none_is_refused(
    monkeypatch, tiles, disks, tmp_path, disk, code, reason
):
    monkeypatch.setenv("TMPDIR", str(disks / disk))
    exit_code, line = refused(tiles, tmp_path)
    assert exit_code == code
    assert line.startswith("agrivision: TMPDIR")
    assert reason in line


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"data_root": "{tiles}/data"}, 2, "data_root must be outside the source, got '{tiles}/data' inside '{tiles}'"),
        ({"data_root": "{tiles}"}, 2, "data_root must be outside the source, got '{tiles}'"),
        ({"data_root": "{place}/link/data"}, 2, "data_root must be outside the source, got '{place}/link/data'"),
        ({"models_uri": "file://{tiles}/m"}, 2, "models_uri must be outside the source, got '{tiles}/m'"),
        (
            {"source_uri": "gs://b/tiles", "data_root": "gs://b/tiles/data"},
            2,
            "data_root must be outside the source, got 'gs://b/tiles/data' inside 'gs://b/tiles'",
        ),
        (
            {"data_root": "/etc/passwd/data"},
            2,
            "data_root is '/etc/passwd/data', where nothing can be written: Not a d",
        ),
        ({"data_root": "file://tiles/data"}, 2, "cannot read or write 'file://tiles/data'; expected file:///<path>"),
        ({"shard_reference_manifest": "{place}/none.json"}, 2, "none.json' cannot be read: No such file or directory"),
        (
            {"shard_reference_manifest": "{place}"},
            2,
            "' cannot be read: Is a directory; expected <data_root>/datasets/",
        ),
        ({"shard_reference_manifest": "{place}/note.json"}, 42, "note.json is not a manifest that this version can re"),
        ({"models_uri": "{place}/bad"}, 42, "{place}/bad/production.json is not a production that this version can"),
        ({"train_config": '{{"weights": "file://{place}/none.h5"}}'}, 2, "weights: no such file '{place}/none.h5'"),
        ({"train_config": '{{"seed": 4294967296}}'}, 2, "seed must be at least 0 and below 2^32, got 4294967296"),
        (
            {"train_config": '{{"image_size_px": 65}}'},
            2,
            "image_size_px, a key of train_config, must be at most the size of the tiles, 64 px, got 65",
        ),
    ],
)
def test_a_setting_that_no_run_can_succeed_with_is_refused(tiles, tmp_path, changes, code, message):
    (tmp_path / "link").symlink_to(tiles)
    (tmp_path / "note.json").write_text("{}")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/production.json").write_text("{}")
    names = {"tiles": tiles, "place": tmp_path}
    exit_code, line = refused(tiles, tmp_path, **{name: value.format(**names) for name, value in changes.items()})
    assert exit_code == code
    assert message.format(**names) in line
