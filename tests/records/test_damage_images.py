"""Damaged source images: each is refused in one line, or stored as it was read.

The quick tests make some hundred mutations, the slow ones thousands.
"""

import struct
import zlib
from pathlib import Path

import pytest
import simplejpeg
from mutations import SCALES, mutations
from small_source import plan, write_tile

from components.contracts import Inventory, Rejection, SourceFile, SourceTile
from components.shard.tile_check import CheckedTile, check_tile


def is_sound_png(content: bytes) -> bool:
    """Tells, by the letter of the standard, whether each chunk of a PNG is whole and its pixels are as many as it says.

    Only for masks as small_source writes them: one band of 8 bits, not interlaced.
    """
    place, pixels, names = 8, b"", []
    width = height = 0
    while place < len(content) and (not names or names[-1] != b"IEND"):
        if place + 12 > len(content):
            return False
        (length,) = struct.unpack(">I", content[place : place + 4])
        name, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        if content[place + 8 + length : place + 12 + length] != struct.pack(">I", zlib.crc32(name + body)):
            return False
        if name == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
        pixels += body if name == b"IDAT" else b""
        names.append(name)
        place += 12 + length
    try:
        return names[-1:] == [b"IEND"] and len(zlib.decompress(pixels)) == height * (width + 1)
    except zlib.error:
        return False


def is_sound_jpeg(content: bytes, colours: str) -> bool:
    try:
        simplejpeg.decode_jpeg(content, colours, strict=True)
    except ValueError:
        return False
    return True


def files_of(tile: SourceTile) -> dict[str, SourceFile]:
    files = {"rgb": tile.rgb, "nir": tile.nir, "boundary": tile.boundary, "mask": tile.mask, **tile.labels}
    return {role: file for role, file in files.items() if file is not None}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("role", "count"), [("rgb", 160), ("nir", 80), ("boundary", 30), ("mask", 10), ("weed_cluster", 20)]
)
def test_a_damaged_image_is_refused_or_stored_as_it_was_read(tmp_path: Path, role: str, count: int, scale: int) -> None:
    tile = write_tile(tmp_path, 9, "train", 0)
    inventory = Inventory.read(plan(tmp_path, tmp_path / "data", [tile]))
    contents = {file.path: (tmp_path / file.path).read_bytes() for file in files_of(tile).values()}
    path = files_of(tile)[role].path
    whole = check_tile(tile, inventory, lambda file: contents[file.path])
    assert isinstance(whole, CheckedTile)
    num_refused = 0
    for content in mutations(contents[path], count * scale, seed=len(role)):
        damaged = {**contents, path: content}
        checked = check_tile(tile, inventory, lambda file, damaged=damaged: damaged[file.path])
        if isinstance(checked, Rejection):
            assert checked.tile_id == tile.tile_id
            assert checked.reason.startswith((f"{role}: ", f"label {role}: ", "nir: ", "boundary: ", "no valid pixel"))
            assert len(checked.reason.splitlines()) == 1
            num_refused += 1
            continue
        # What is still an image, by the letter of its standard, is content of the source, whoever made it.
        assert checked.record.rgb == damaged[tile.rgb.path]
        assert checked.record.nir == damaged[files_of(tile)["nir"].path]
        if path.endswith(".jpg"):
            assert is_sound_jpeg(content, {"rgb": "RGB", "nir": "GRAY"}[role])
        else:
            assert is_sound_png(content)
    assert num_refused > count * scale / 3
