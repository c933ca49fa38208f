"""The local side of storage: what it reads."""

import os
import re
import threading
from pathlib import Path

import pytest

from components.storage import disk


@pytest.mark.parametrize("content", [b"", b"tile", bytes(range(256)) * 20_000])
def test_a_file_is_read_whole(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert disk.read_bytes(str(tmp_path / "file")) == content


def test_what_tells_no_size_is_read_to_its_end(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    assert disk.read_bytes(str(tmp_path / "pipe")) == content
    writer.join()


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
