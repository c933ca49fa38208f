"""A thread that looks at a file several times reads its header once, and keeps no large file for that."""

import io
import threading

import pytest
from PIL import Image

from components.records import image_header
from components.records.image_header import DamagedImage, read_header


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    read: list[bytes] = []
    real = image_header._read_header

    def counting(content: bytes) -> image_header.Header:
        read.append(content)
        return real(content)

    monkeypatch.setattr(image_header, "_read_header", counting)
    monkeypatch.setattr(image_header, "_RECENT", image_header._Recent())
    return read


def jpeg(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (90, side % 256, 30)).save(file, "JPEG")
    return file.getvalue()


def test_the_same_file_is_looked_through_once(counted: list[bytes]) -> None:
    first, second = jpeg(16), jpeg(24)
    sides = [read_header(content).width for content in (first, second, first, second, first)]

    assert sides == [16, 24, 16, 24, 16]
    assert len(counted) == 2


def test_equal_bytes_in_another_place_are_read_anew(counted: list[bytes]) -> None:
    content = jpeg(16)
    assert read_header(content) == read_header(bytes(bytearray(content)))
    assert len(counted) == 2


def test_what_is_damaged_is_refused_each_time(counted: list[bytes]) -> None:
    content = jpeg(16)[:20]
    for _ in range(3):
        with pytest.raises(DamagedImage, match="cut off"):
            read_header(content)
    assert len(counted) == 3


def test_few_small_files_are_kept(counted: list[bytes]) -> None:
    large = jpeg(16) + bytes(2**20)
    for _ in range(2):
        read_header(large)
    assert counted == [large, large]
    for side in range(16, 40):
        read_header(jpeg(side))
    assert len(image_header._RECENT.files) == 4


def test_each_thread_remembers_its_own(counted: list[bytes]) -> None:
    content = jpeg(16)
    threads = [threading.Thread(target=lambda: [read_header(content) for _ in range(5)]) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(counted) == 3
