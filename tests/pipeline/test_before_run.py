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


def mount(folder: Path, options: str) -> None:
    """Mounts a small disk."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two small disks: `read-only`, and `full`."""
    place = tmp_path_factory.mktemp("disks")
    mount(place / "read-only", "ro,size=64k")
    mount(place / "full", "size=64k")
    (place / "full/file").write_bytes(bytes(60_000))
    yield place
    for name in ("read-only", "full"):
        subprocess.run(["umount", "-l", str(place / name)], check=True)


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
        ({"models_uri": "{place}/bad"}, 42, "{place}/bad/production.json is not a channel that this version can"),
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("size", "small", "step"),
    [
        ("140k", "runs_dir", "merge"),  # a report
        ("160k", "data_root", "shard"),
        ("700k", "TMPDIR", "train"),  # TensorFlow exports a model there
    ],
)
def test_a_disk_that_becomes_full_ends_the_run_at_once_and_names_its_place(
    monkeypatch, tiles, tmp_path, size, small, step
):
    mount(tmp_path / "small", f"size={size}")
    try:
        places = {"data_root": tmp_path / "data", "models_uri": tmp_path / "models", "runs_dir": tmp_path / "runs"}
        if small == "TMPDIR":
            monkeypatch.setenv("TMPDIR", str(tmp_path / "small"))
        else:
            places[small] = tmp_path / "small/new"
        settings = {"train_num_workers": 1, "train_config": '{"epochs": 1, "global_batch_size": 4}'}
        options = [f"--{n.replace('_', '-')}={v}" for n, v in ({"source_uri": many(tiles)} | places | settings).items()]
        result = agrivision_here("run", *options)
        assert result.returncode == 42, result.stdout + result.stderr
        (line,) = result.stderr.splitlines()
        log = (places["runs_dir"] / "latest").resolve() / "log.txt"
        assert line.startswith(f"agrivision: {step}")
        assert f"cannot write under '{tmp_path}/small" in line
        assert line.endswith(f"; its log is '{log}'")
        assert "restart" not in result.stdout
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "small")], check=True)


def many(tiles: Path) -> Path:
    """Returns a source of enough tiles for all splits, made once."""
    folder = tiles.parent / "many"
    if not folder.exists():
        write_dataset(folder, layout="paper-2020", num_tiles=40, seed=1, tile_size_px=64, num_processes=1)
    return folder
