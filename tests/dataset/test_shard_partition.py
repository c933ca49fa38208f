"""Partition files are read in parts, and their lines are the same whatever the parts."""

import tracemalloc
from pathlib import Path

import msgspec
import pytest
from small_source import write_file

from components import storage
from components.contracts import Partition, SourceFile, SourceTile
from components.dataset import partition as reading
from components.dataset.partition import TileName, chosen_tiles, lines, planned_tiles
from components.errors import DataError


@pytest.fixture(params=["local", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is read as a file is, or by ranges as an object is."""
    if request.param == "bucket":
        monkeypatch.setattr(storage, "is_remote", lambda uri: True)

        def read_range(uri: str, offset: int, length: int) -> bytes:
            return Path(uri).read_bytes()[offset : offset + length]

        monkeypatch.setattr(storage, "read_range", read_range)
    return tmp_path


@pytest.mark.parametrize("chunk", [1, 3, 4, 5, 1000])
@pytest.mark.parametrize("content", [b"", b"a\n", b"a\nbc\n", b"a\n\nbc", b"abcd\n"])
def test_lines_are_the_same_however_they_are_cut(
    place: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, chunk: int
) -> None:
    monkeypatch.setattr(reading, "_CHUNK_BYTES", chunk)
    path = place / "lines"
    path.write_bytes(content)
    assert list(lines(str(path))) == content.splitlines(keepends=True)


def many_tiles(root: Path, num_tiles: int) -> Partition:
    tiles = [
        SourceTile(tile_id=f"F{i // 9}_{i}", field_id=f"F{i // 9}", split="train", shard=0, rgb=SourceFile("x", 1, "1"))
        for i in range(num_tiles)
    ]
    write_file(root, "part.jsonl", b"".join(msgspec.json.encode(tile) + b"\n" for tile in tiles))
    return Partition(index=0, path="part.jsonl", num_tiles=num_tiles, shards=())


def test_only_the_tiles_that_are_chosen_are_decoded_whole(place: Path) -> None:
    partition = many_tiles(place, 100)
    (tile,) = chosen_tiles(str(place), partition, lambda name: name.tile_id == "F3_30")
    assert (tile.field_id, tile.rgb) == ("F3", SourceFile("x", 1, "1"))


def test_reading_takes_no_memory_for_the_file(tmp_path: Path) -> None:
    partition = many_tiles(tmp_path, 20_000)
    size = (tmp_path / partition.path).stat().st_size
    tracemalloc.start()
    assert sum(1 for _ in planned_tiles(str(tmp_path), partition, TileName)) == 20_000
    assert tracemalloc.get_traced_memory()[1] < size / 10
    tracemalloc.stop()


def test_a_missing_file_and_a_broken_line_are_named(tmp_path: Path) -> None:
    partition = many_tiles(tmp_path, 3)
    path = tmp_path / partition.path
    path.write_bytes(path.read_bytes() + b"{")
    with pytest.raises(DataError, match=r"line 4 of 'part.jsonl' is not a tile"):
        list(planned_tiles(str(tmp_path), partition, SourceTile))
    path.unlink()
    with pytest.raises(DataError, match=r"no 'part.jsonl' under .*; is data_root the one that ingest wrote to\?"):
        list(planned_tiles(str(tmp_path), partition, SourceTile))
