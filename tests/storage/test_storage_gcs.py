"""storage.py on a bucket: the same promises, and no harm from an object store that fails for a while."""

import concurrent.futures
import contextlib
import logging
import os
import re
import urllib.parse
import urllib.request
import uuid

import pytest
from gcs_faults import plant
from storage_race import race, write_model

from components import storage
from components.errors import DataError, SettingsError
from components.storage import bucket, whole_folder

pytestmark = [
    pytest.mark.gcs,
    pytest.mark.skipif(
        "STORAGE_EMULATOR_HOST" not in os.environ, reason="needs a gs:// server (STORAGE_EMULATOR_HOST)"
    ),
    # Of an answer that it asks for again, Google's client leaves the connection to the garbage collector.
    pytest.mark.filterwarnings(r"ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]
BUCKET = "agri-storage-test"  # its own, as planted faults meet whoever comes first


@pytest.fixture(scope="module")
def bucket_uri():
    """A bucket that exists."""
    from google.api_core.exceptions import Conflict

    with contextlib.suppress(Conflict):
        bucket._client().create_bucket(BUCKET)
    return f"gs://{BUCKET}"


@pytest.fixture
def root(bucket_uri):
    """A folder of the bucket that no other test uses; what a test has written is removed."""
    uri = f"{bucket_uri}/test-storage-{uuid.uuid4().hex}"
    yield uri
    plant()
    whole_folder.remove(uri, "")


@contextlib.contextmanager
def _seen_to_fail(caplog, fault: dict):
    """Plants a fault, and makes sure that it came about."""
    caplog.clear()
    plant(fault)
    with caplog.at_level(logging.DEBUG, "google"):
        yield
    assert caplog.text.count("Retrying due to") == fault["times"]


def test_what_is_written_is_listed_and_read(root):
    contents = {"a.jpg": b"1", "deep/er/b.png": b"", "deep/c": bytes(range(256)) * 40}
    for path, content in contents.items():
        storage.write_bytes(storage.join(root, path), content)
    storage.write_bytes(storage.join(root, ".hidden/x"), b"1")
    storage.write_bytes(f"{root}-other/x", b"1")  # shares the start of its name, not the folder
    files = {file.path: file for file in storage.list_files(root)}
    assert {path: file.num_bytes for path, file in files.items()} == {"a.jpg": 1, "deep/er/b.png": 0, "deep/c": 10_240}
    assert {path: storage.read_bytes(storage.join(root, path)) for path in files} == contents
    assert storage.size(storage.join(root, "deep/c")) == 10_240
    assert {file.path for file in storage.list_files(f"{root}/deep/")} == {"er/b.png", "c"}
    storage.write_bytes(storage.join(root, "a.jpg"), b"2")
    assert {file.path: file for file in storage.list_files(root)}["a.jpg"].version != files["a.jpg"].version
    whole_folder.remove(f"{root}-other", "")


@pytest.mark.parametrize(
    ("offset", "length", "expected"), [(0, 4, b"0123"), (3, 100, b"3456789"), (10, 5, b""), (20, 5, b""), (2, 0, b"")]
)
def test_a_range_ends_where_the_object_does(root, offset, length, expected):
    storage.write_bytes(f"{root}/numbers", b"0123456789")
    assert storage.read_range(f"{root}/numbers", offset, length) == expected


def test_what_is_missing_is_told_from_what_is_empty(root):
    storage.write_bytes(f"{root}/deep/empty", b"")
    assert (storage.size(f"{root}/deep/empty"), storage.size(f"{root}/none")) == (0, None)
    assert (storage.exists(f"{root}/deep/empty"), storage.exists(f"{root}/deep")) == (True, False)
    assert storage.read_pointer(f"{root}/none") == (None, None)
    assert list(storage.list_files(f"{root}/none")) == []
    for read in (storage.read_bytes, lambda uri: storage.read_range(uri, 0, 1)):
        with pytest.raises(FileNotFoundError, match="none"):
            read(f"{root}/none")


@pytest.mark.parametrize(
    "use",
    [
        lambda uri: list(storage.list_files(uri)),
        lambda uri: storage.write_bytes(f"{uri}/x", b""),
        lambda uri: storage.write_once(f"{uri}/x", b""),
    ],
)
def test_a_missing_bucket_is_one_line(use):
    with pytest.raises(DataError, match="no such bucket: 'no-such-bucket-of-ours'"):
        use("gs://no-such-bucket-of-ours/tiles")


def test_a_uri_without_bucket_is_one_line():
    with pytest.raises(SettingsError, match="no bucket in 'gs://'; expected gs://<bucket>/<folder>"):
        list(storage.list_files("gs://"))


def test_write_once_and_upload_once_keep_the_first(root, tmp_path):
    assert [storage.write_once(f"{root}/a", content) for content in (b"first", b"second")] == [True, False]
    for content in (b"first", b"second"):
        (tmp_path / "local").write_bytes(content)
        storage.upload_once(tmp_path / "local", f"{root}/b")
    assert (storage.read_bytes(f"{root}/a"), storage.read_bytes(f"{root}/b")) == (b"first", b"first")


def test_a_pointer_moves_only_for_who_has_seen_its_last_value(root):
    uri = f"{root}/production.json"
    storage.compare_and_swap(uri, None, b"one")
    content, token = storage.read_pointer(uri)
    assert content == b"one"
    storage.compare_and_swap(uri, token, b"two")
    for stale in (token, None):
        with pytest.raises(storage.Conflict, match=re.escape(uri)):
            storage.compare_and_swap(uri, stale, b"three")
    assert storage.read_bytes(uri) == b"two"


@pytest.mark.parametrize("kind", ["swap", "once", "publish"])
def test_of_processes_that_write_at_once_exactly_one_wins(root, kind):
    assert race(kind, f"{root}/x", num_racers=2, num_rounds=8) == [1] * 8


def test_a_folder_is_published_once_and_whole(root, tmp_path):
    write_model(tmp_path / "model", "card")
    uri = f"{root}/v1"
    assert [whole_folder.publish(tmp_path / "model", uri, "card.json") for _ in range(2)] == [True, False]
    assert {file.path for file in storage.list_files(uri)} == {"card.json", "saved_model.pb", "variables/index"}
    with storage.local_copy(f"{uri}/variables/index") as local:
        assert local.read_bytes() == b"weights" * 1000
    assert not local.exists()
    whole_folder.remove(uri, "card.json")
    assert list(storage.list_files(uri)) == []


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"cut": 0}, {"cut": 100_000}])
def test_a_read_that_fails_twice_is_right_in_the_end(root, caplog, fault):
    content = os.urandom(300_000)
    storage.write_bytes(f"{root}/shard", content)
    match = urllib.parse.quote(f"{root}/shard".removeprefix(f"gs://{BUCKET}/"), safe="")
    with _seen_to_fail(caplog, {"match": match, "times": 2, **fault}):
        assert storage.read_bytes(f"{root}/shard") == content
    with _seen_to_fail(caplog, {"match": match, "times": 1, **fault}):
        assert storage.read_range(f"{root}/shard", 1000, 200_000) == content[1000:201_000]


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": 10}])
def test_a_listing_that_fails_once_is_whole_in_the_end(root, caplog, fault):
    for number in range(3):
        storage.write_bytes(f"{root}/{number}", b"x")
    with _seen_to_fail(caplog, {"match": f"/b/{BUCKET}/o?", "times": 1, **fault}):
        assert sorted(file.path for file in storage.list_files(root)) == ["0", "1", "2"]


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": 0}, {"cut": 10}])
def test_a_write_whose_answer_is_lost_still_counts_as_ours(root, caplog, fault):
    """After a cut answer, the object is there, and the client's second attempt meets its own first."""
    fault = {"match": f"/upload/storage/v1/b/{BUCKET}/", "times": 1, **fault}
    with _seen_to_fail(caplog, fault):
        assert storage.write_once(f"{root}/once", b"ours")
    _, token = storage.read_pointer(f"{root}/once")
    with _seen_to_fail(caplog, fault):
        storage.compare_and_swap(f"{root}/once", token, b"ours again")
    with _seen_to_fail(caplog, fault):
        storage.write_bytes(f"{root}/plain", b"content")
    assert (storage.read_bytes(f"{root}/once"), storage.read_bytes(f"{root}/plain")) == (b"ours again", b"content")


def test_many_threads_read_at_once_without_throwing_connections_away(root, caplog):
    storage.write_bytes(f"{root}/tile", b"tile" * 1000)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        contents = list(pool.map(storage.read_bytes, [f"{root}/tile"] * 200))
    assert contents == [b"tile" * 1000] * 200
    # urllib3 warns of each connection that it throws away.
    assert "Connection pool is full" not in caplog.text


def test_a_bucket_is_no_object():
    assert storage.size("gs://a-bucket") is None
    with pytest.raises(SettingsError, match="no object in 'gs://a-bucket'; expected gs://<bucket>/<object>"):
        storage.write_bytes("gs://a-bucket", b"")
