"""The local side of storage: what it reads."""

import os
import re
from pathlib import Path

import pytest

from components import storage
from components.errors import DataError
from components.storage import disk


@pytest.mark.parametrize("content", [b"", b"tile", bytes(range(256)) * 20_000])
def test_a_file_is_read_whole(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert disk.read_bytes(str(tmp_path / "file")) == content


def test_what_tells_no_size_is_read_to_its_end() -> None:
    assert os.stat("/proc/self/mountinfo").st_size == 0
    assert disk.read_bytes("/proc/self/mountinfo") == Path("/proc/self/mountinfo").read_bytes()


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device"])
def test_what_could_keep_a_reader_waiting_is_refused(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to a pipe").symlink_to("pipe")
    path = "/dev/zero" if kind == "device" else str(tmp_path / kind)
    with pytest.raises(DataError, match=f"'{path}' is a pipe or a device; expected a file"):
        disk.read_bytes(path)
    with pytest.raises(DataError, match=f"'{path}' is a pipe or a device; expected a file"), storage.local_copy(path):
        pass
    with pytest.raises(DataError, match=f"'{path}' is a pipe or a device; expected a file"):
        storage.read_pointer(path)


def test_a_read_that_gives_less_than_there_is_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, 3)))
    assert disk.read_bytes(str(tmp_path / "file")) == b"0123456789"


@pytest.mark.parametrize(("name", "error"), [("", IsADirectoryError), ("nothing", FileNotFoundError)])
def test_the_error_names_what_cannot_be_read(tmp_path: Path, name: str, error: type[OSError]) -> None:
    path = str(tmp_path / name)
    with pytest.raises(error, match=re.escape(path)) as raised:
        disk.read_bytes(path)
    assert raised.value.filename == path
