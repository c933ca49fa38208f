"""storage.py on a local folder: whole or not at all, once, and never two winners."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from storage_race import race, write_model

from components import storage
from components.errors import DataError, SettingsError
from components.storage import disk, whole_folder


@pytest.mark.parametrize(
    ("root", "parts", "expected"),
    [
        ("/data", ("shards", "a.tfrecord"), "/data/shards/a.tfrecord"),
        ("/data/", ("shards",), "/data/shards"),
        ("data", ("x",), "data/x"),
        ("/", ("x",), "/x"),
        ("/", (), "/"),
        ("gs://bucket", ("a", "b/c"), "gs://bucket/a/b/c"),
        ("gs://bucket/", ("a",), "gs://bucket/a"),
    ],
)
def test_joined_names_have_single_slashes(root, parts, expected):
    assert storage.join(root, *parts) == expected


@pytest.mark.parametrize("uri", ["az://bucket/tiles", "http://host/tiles", "file:///tiles"])
def test_an_unknown_scheme_is_refused_with_what_is_known(uri):
    with pytest.raises(SettingsError, match="expected a folder or gs://<bucket>/<folder>"):
        storage.is_remote(uri)


def test_a_listing_has_every_visible_file_with_size_and_version(tmp_path):
    for path, content in {
        "a.jpg": b"1",
        "deep/er/b.png": b"22",
        ".hidden": b"",
        ".git/config": b"",
        "deep/.c": b"",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    os.utime(tmp_path / "a.jpg", ns=(5, 7_000_000_001))
    files = {file.path: file for file in storage.list_files(str(tmp_path))}
    assert {path: file.num_bytes for path, file in files.items()} == {"a.jpg": 1, "deep/er/b.png": 2}
    assert files["a.jpg"].version == "7000000001"
    assert {file.path for file in storage.list_files(f"{tmp_path}/deep/")} == {"er/b.png"}


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"no such folder: '.*/missing'"):
        list(storage.list_files(f"{tmp_path}/missing"))
    (tmp_path / os.fsdecode(b"feld-\xfc.jpg")).write_bytes(b"1")
    with pytest.raises(DataError, match="is not UTF-8; rename or remove it") as error:
        list(storage.list_files(str(tmp_path)))
    str(error.value).encode()  # it can be printed


def test_a_folder_without_permission_is_one_line():
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, whose own parent is closed to other accounts
        os.chmod(folder, 0o755)
        (Path(folder) / "closed").mkdir(mode=0)
        with _no_root(), pytest.raises(DataError, match=r"cannot list '.*/closed': no permission"):
            list(storage.list_files(folder))


@contextlib.contextmanager
def _no_root():
    """Runs as another account where the tests run as root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("offset", "length", "expected"), [(0, 4, b"0123"), (3, 100, b"3456789"), (10, 5, b""), (20, 5, b""), (2, 0, b"")]
)
def test_a_range_ends_where_the_file_does(tmp_path, offset, length, expected):
    uri = f"{tmp_path}/numbers"
    storage.write_bytes(uri, b"0123456789")
    assert storage.read_range(uri, offset, length) == expected


def test_what_is_missing_is_told_from_what_is_empty(tmp_path):
    storage.write_bytes(f"{tmp_path}/deep/empty", b"")
    assert (storage.size(f"{tmp_path}/deep/empty"), storage.size(f"{tmp_path}/none")) == (0, None)
    assert storage.exists(f"{tmp_path}/deep/empty")
    assert not storage.exists(f"{tmp_path}/deep")  # a folder is no file
    assert storage.read_pointer(f"{tmp_path}/none") == (None, None)
    for read in (storage.read_bytes, lambda uri: storage.read_range(uri, 0, 1)):
        with pytest.raises(FileNotFoundError, match="none"):
            read(f"{tmp_path}/none")


def test_a_failed_write_leaves_nothing_and_keeps_what_was_there(tmp_path):
    storage.write_bytes(f"{tmp_path}/pointer", b"old")
    with contextlib.suppress(InterruptedError), disk.temporary_file(f"{tmp_path}/pointer") as temporary:
        temporary.write_bytes(b"half of the n")
        raise InterruptedError
    assert [path.name for path in tmp_path.iterdir()] == ["pointer"]
    assert storage.read_bytes(f"{tmp_path}/pointer") == b"old"


def test_a_write_that_finds_no_room_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space") as error, disk.temporary_file(f"{tmp_path}/a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")  # as write does

    assert error.value.filename == f"{tmp_path}/a.txt"
    assert list(tmp_path.iterdir()) == []


def test_a_file_under_way_is_hidden_from_listings(tmp_path):
    with disk.temporary_file(f"{tmp_path}/shard") as temporary:
        temporary.write_bytes(b"half")
        assert list(storage.list_files(str(tmp_path))) == []
    assert [file.path for file in storage.list_files(str(tmp_path))] == ["shard"]
    assert os.stat(tmp_path / "shard").st_mode & 0o777 == 0o644  # other accounts read it


def test_write_once_keeps_the_first(tmp_path):
    uri = f"{tmp_path}/deep/receipt.json"
    assert [storage.write_once(uri, content) for content in (b"first", b"second")] == [True, False]
    assert storage.read_bytes(uri) == b"first"


def test_upload_once_moves_the_file_and_keeps_what_is_there(tmp_path):
    for content in (b"first", b"second"):
        (tmp_path / "local").write_bytes(content)
        storage.upload_once(tmp_path / "local", f"{tmp_path}/shards/x.tfrecord")
    assert (tmp_path / "shards" / "x.tfrecord").read_bytes() == b"first"
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["x.tfrecord"]


@pytest.mark.skipif(
    not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev,
    reason="needs a second file system at /dev/shm",
)
def test_upload_once_works_from_another_file_system(tmp_path):
    local = Path("/dev/shm") / f"agrivision-test-{os.getpid()}"
    try:
        local.write_bytes(b"shard")
        assert os.stat(local).st_dev != os.stat(tmp_path).st_dev
        storage.upload_once(local, f"{tmp_path}/shards/x.tfrecord")
    finally:
        local.unlink(missing_ok=True)
    assert (tmp_path / "shards" / "x.tfrecord").read_bytes() == b"shard"
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["x.tfrecord"]


def test_a_pointer_moves_only_for_who_has_seen_its_last_value(tmp_path):
    uri = f"{tmp_path}/production.json"
    storage.compare_and_swap(uri, None, b"one")
    content, token = storage.read_pointer(uri)
    assert content == b"one"
    storage.compare_and_swap(uri, token, b"two")
    for stale in (token, None):
        with pytest.raises(storage.Conflict, match=re.escape(uri)):
            storage.compare_and_swap(uri, stale, b"three")
    assert storage.read_bytes(uri) == b"two"


@pytest.mark.parametrize("kind", ["swap", "once"])
def test_of_processes_that_write_at_once_exactly_one_wins(tmp_path, kind):
    assert race(kind, f"{tmp_path}/pointer", num_racers=3, num_rounds=40) == [1] * 40


def test_of_processes_that_publish_at_once_exactly_one_wins_and_nothing_is_left_over(tmp_path):
    assert race("publish", f"{tmp_path}/versions/v", num_racers=2, num_rounds=10) == [1] * 10
    visible = sorted(path.name for path in (tmp_path / "versions").iterdir() if not path.name.endswith(".lock"))
    assert visible == sorted(f"v-{number}" for number in range(10))
    for version in (tmp_path / "versions").glob("v-*"):
        assert sorted(file.path for file in storage.list_files(str(version))) == [
            "card.json",
            "saved_model.pb",
            "variables/index",
        ]


def test_a_folder_is_published_once_removed_and_published_again(tmp_path):
    write_model(tmp_path / "model", "card")
    uri = f"{tmp_path}/versions/v1"
    assert [whole_folder.publish(tmp_path / "model", uri, "card.json") for _ in range(2)] == [True, False]
    whole_folder.remove(uri, "card.json")
    assert not os.path.exists(uri)
    whole_folder.remove(uri, "card.json")  # again is no error
    assert whole_folder.publish(tmp_path / "model", uri, "card.json")


def test_the_remains_of_a_removal_that_was_cut_short_do_not_bar_the_version(tmp_path):
    write_model(tmp_path / "model", "card")
    uri = f"{tmp_path}/versions/v1"
    whole_folder.publish(tmp_path / "model", uri, "card.json")
    os.remove(f"{uri}/card.json")
    os.rename(f"{uri}/saved_model.pb", f"{uri}/stale.pb")
    assert whole_folder.publish(tmp_path / "model", uri, "card.json")
    assert not os.path.exists(f"{uri}/stale.pb")
    assert storage.read_bytes(f"{uri}/card.json") == b"card"


def test_a_publication_that_fails_leaves_nothing(tmp_path):
    write_model(tmp_path / "model", "card")
    shutil.copy(tmp_path / "model" / "card.json", tmp_path / "blocked")
    with pytest.raises(NotADirectoryError, match="blocked"):
        whole_folder.publish(tmp_path / "model", f"{tmp_path}/blocked", "card.json")
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")) == ["blocked", "model"]


def test_a_local_copy_of_a_local_file_is_the_file_itself(tmp_path):
    storage.write_bytes(f"{tmp_path}/a", b"1")
    with storage.local_copy(f"{tmp_path}/a") as local:
        assert local == tmp_path / "a"
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///data/tiles", "/data/tiles"),
        ("file://localhost/data", "/data"),
        ("file:/data", "/data"),
        ("file:///with%20space/50%25", "/with space/50%"),
        ("file:///a?b#c", "/a?b#c"),
        ("data/tiles", "data/tiles"),
        ("gs://b/a%20b", "gs://b/a%20b"),
        ("", ""),
    ],
)
def test_a_file_uri_is_the_path_that_it_stands_for(uri, expected):
    assert storage.plain_place(uri) == expected


@pytest.mark.parametrize("uri", ["file://data/tiles", "file://", "file:tiles"])
def test_a_file_uri_without_a_path_of_this_machine_is_refused(uri):
    with pytest.raises(SettingsError, match=r"expected file:///<path>, with three slashes, or a folder"):
        storage.plain_place(uri)
