"""What is written outlives a power failure, with the folders made for it; what a mounted bucket lacks is said."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_source import write_source
from storage_race import write_model

from components import storage
from components.errors import DataError
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.progress import StepLog
from components.storage import disk, mounts, whole_folder
from components.train.checkpoint.checkpoints import TrainingState, write_checkpoint


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The files and folders that are told to be on the disk."""
    found: set[str] = set()
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def upload(write: Callable[[Path, str], None]) -> Callable[[str, Path], None]:
    def use(uri: str, tmp_path: Path) -> None:
        (tmp_path / "local").write_bytes(b"content")
        write(tmp_path / "local", uri)

    return use


def publish(uri: str, tmp_path: Path) -> None:
    write_model(tmp_path / "model", "card")
    whole_folder.publish(tmp_path / "model", uri, "card.json")


def checkpoint(uri: str, tmp_path: Path) -> None:
    write_checkpoint(uri.rpartition("/")[0], {"a": np.zeros(2)}, TrainingState(), keep=1)


@pytest.mark.parametrize(
    "write",
    [
        lambda uri, _: storage.write_bytes(uri, b"content"),
        lambda uri, _: storage.write_once(uri, b"content"),
        upload(storage.upload_once),
        upload(storage.replace_file),
        publish,
        checkpoint,
    ],
)
def test_every_folder_that_is_made_is_on_the_disk_under_its_name(
    tmp_path: Path, synced: set[str], write: Callable[[str, Path], None]
) -> None:
    (tmp_path / "there").mkdir()
    write(f"{tmp_path}/there/new/er/est/name", tmp_path)
    assert {f"{tmp_path}/there{below}" for below in ("", "/new", "/new/er", "/new/er/est")} <= synced
    assert str(tmp_path) not in synced  # which holds nothing new that was written


def test_a_removal_takes_the_last_file_for_good_before_the_others(
    tmp_path: Path, synced: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "model", "card")
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # as if the power failed here
    whole_folder.remove(f"{tmp_path}/model", "card.json")
    assert str(tmp_path / "model") in synced
    assert not (tmp_path / "model/card.json").exists()
    assert (tmp_path / "model/saved_model.pb").exists()


def test_a_folder_that_another_process_makes_at_the_same_time_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def beaten(path: Path, *arguments: object, **named: object) -> None:
        os.makedirs(path, exist_ok=True)
        mkdir(path, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", beaten)
    disk.make_folder(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()


@pytest.mark.parametrize(("path", "error"), [("file", FileExistsError), ("file/folder", NotADirectoryError)])
def test_no_folder_is_made_in_place_of_a_file(tmp_path: Path, path: str, error: type[OSError]) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(error, match="file"):
        disk.make_folder(tmp_path / path)


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/bucket rw,nosuid,nodev - fuse.gcsfuse my-bucket rw,user_id=0
31 22 0:41 / /mnt/old rw - fuse gcsfuse rw
32 22 0:42 / /mnt/s3\\040tiles rw - fuse.s3fs s3fs rw
33 22 0:43 / /mnt/disk rw - fuse.ntfs-3g /dev/sdb1 rw
34 30 8:2 / /mnt/bucket/local rw - ext4 /dev/sdc1 rw
35 22 0:44 / /mnt/over rw - fuse.rclone remote: rw
36 22 8:3 / /mnt/over rw - xfs /dev/sdd1 rw
37 22 0:45 / /mnt/nas rw - nfs4 nas:/data rw
broken
"""


@pytest.mark.parametrize(
    ("folder", "kind", "is_bucket"),
    [
        ("/data", "ext4", False),
        ("/mnt/bucket", "fuse.gcsfuse", True),
        ("/mnt/bucket/data/not/yet", "fuse.gcsfuse", True),
        ("/mnt/buckets", "ext4", False),
        ("/mnt/old/data", "fuse.gcsfuse", True),
        ("/mnt/s3 tiles/data", "fuse.s3fs", True),
        ("/mnt/disk", "fuse.ntfs-3g", False),
        ("/mnt/bucket/local", "ext4", False),
        ("/mnt/over", "xfs", False),  # the later mount hides the earlier
        ("/mnt/nas", "nfs4", False),
    ],
)
def test_a_mounted_bucket_is_told_from_a_disk(folder: str, kind: str, is_bucket: bool) -> None:
    assert mounts.file_system_of(folder, MOUNTS) == kind
    note = mounts.bucket_note("data_root", folder, MOUNTS)
    assert note.startswith(f"data_root '{folder}' lies on a mounted bucket or the like ({kind})") == is_bucket
    assert bool(note) == is_bucket


def test_the_systems_own_mounts_can_be_read(tmp_path: Path) -> None:
    assert mounts.file_system_of("/proc") == "proc"
    assert mounts.file_system_of(str(tmp_path)) != ""


def test_ingest_says_that_its_data_root_is_a_mounted_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_source(tmp_path / "source", train=4, val=1, test=1)
    table = tmp_path / "mounts"
    table.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / {tmp_path}/data rw - fuse.gcsfuse b rw\n")
    monkeypatch.setattr(mounts, "_MOUNTS", str(table))
    settings = IngestSettings(layout="auto", shard_size_mb=1, num_partitions=1, num_workers=1)
    for data_root in ("data", "elsewhere"):
        build_inventory(str(tmp_path / "source"), f"{tmp_path}/{data_root}", settings, StepLog("ingest"))
    said = [line for line in capsys.readouterr().out.splitlines() if "mounted bucket" in line]
    assert len(said) == 1
    assert said[0].startswith(f"ingest | data_root '{tmp_path}/data' lies on a mounted bucket or the like")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(DataError, match=r"cannot lock '.*/\.production\.json\.lock': the file system there, .* has no"):
        storage.compare_and_swap(f"{tmp_path}/production.json", None, b"one")


@pytest.mark.parametrize("kind", ["link", "link to nothing", "folder", "pipe"])
def test_what_is_no_lock_is_named_and_left_alone(tmp_path: Path, kind: str) -> None:
    outside, place = tmp_path / "outside", tmp_path / "models/.production.json.lock"
    place.parent.mkdir()
    if kind == "link":
        outside.write_text("keep me")
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(outside)
    with pytest.raises(DataError, match=r"production.json.lock' is a folder, a link, a pipe or a device; .*remove it"):
        storage.compare_and_swap(str(tmp_path / "models/production.json"), None, b"x")
    assert outside.exists() == (kind == "link")
    assert kind != "link" or outside.read_text() == "keep me"


def test_a_lock_that_another_holds_is_still_told_apart(tmp_path: Path) -> None:
    with (
        disk.lock(f"{tmp_path}/x"),
        open(tmp_path / ".x.lock") as file,
        pytest.raises(BlockingIOError, match="unavailable"),
    ):
        disk.take_lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
