import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from small_source import encoded, noise, plan, rectangle, write_file, write_tile
from tiff_files import tiff

from components.agrivision import CLASS_FOLDERS, RGB_BANDS
from components.contracts import Inventory, Rejection, SourceFile, SourceTile
from components.shard.tile_check import CheckedTile, check_tile


def check(root: Path, tile: SourceTile, **settings: Any) -> CheckedTile | Rejection:
    inventory = Inventory.read(plan(root, root / "data", [tile], **settings))
    return check_tile(tile, inventory, lambda file: (root / file.path).read_bytes())


def replaced(root: Path, tile: SourceTile, role: str, content: bytes) -> SourceTile:
    """The tile with other content in one file; `role` is a field, or the class of a label."""
    file = write_file(root, f"other/{role}", content)
    if role in tile.labels:
        return msgspec.structs.replace(tile, labels={**tile.labels, role: file})
    return msgspec.structs.replace(tile, **{role: file})


GRAY = Image.new("L", (64, 64), 90)


@pytest.mark.parametrize(
    ("role", "content", "reason"),
    [
        ("rgb", b"", "rgb: empty file (0 bytes)"),
        ("rgb", b"a text named .jpg", "rgb: not a readable JPEG, PNG, TIFF or WebP file"),
        ("rgb", encoded(noise(0, 3), "JPEG")[:-200], "rgb: damaged or truncated"),
        ("rgb", encoded(noise(0, 1), "JPEG"), "rgb: expected RGB, got 1 band"),
        ("nir", encoded(noise(0, 3), "JPEG"), "nir: expected 1 band, got RGB"),
        ("nir", encoded(noise(0, 1, size=32), "JPEG"), "nir: 32x32 px, but the rgb has 64x64 px"),
        ("nir", encoded(GRAY, "JPEG"), "nir: empty band, every pixel is 90"),
        ("boundary", encoded(rectangle(0, 0, 0, 0), "PNG"), "no valid pixel: boundary and mask leave nothing"),
        ("mask", encoded(GRAY.point(lambda _: 7), "PNG"), "mask: expected the values 0 and 255, or 0 and 1, got 7"),
        ("weed_cluster", encoded(rectangle(0, 0, 9, 9, size=32), "PNG"),
         "label weed_cluster: 32x32 px, but the rgb has 64x64 px"),
        ("drydown", encoded(GRAY, "JPEG"), "label drydown: not a readable PNG or TIFF file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_bad_tile_is_left_out_with_the_reason(tmp_path: Path, role: str, content: bytes, reason: str) -> None:
    tile = replaced(tmp_path, write_tile(tmp_path, 1, "train", 0), role, content)
    assert check(tmp_path, tile) == Rejection(tile.tile_id, reason)


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    tile = write_tile(tmp_path, 1, "train", 0)
    tile = msgspec.structs.replace(tile, rgb=SourceFile("no/such/file.jpg", 65 << 20, "1"))
    assert check(tmp_path, tile) == Rejection(tile.tile_id, "rgb: 65 MiB, at most 64 MiB are read")


def test_disjoint_boundary_and_mask_leave_no_valid_pixel(tmp_path: Path) -> None:
    tile = write_tile(tmp_path, 1, "train", 0)
    tile = replaced(tmp_path, tile, "boundary", encoded(rectangle(0, 0, 30, 64), "PNG"))
    tile = replaced(tmp_path, tile, "mask", encoded(rectangle(30, 0, 64, 64), "PNG"))
    assert "no valid pixel" in getattr(check(tmp_path, tile), "reason", "")


def test_each_file_is_read_once(tmp_path: Path) -> None:
    tile = write_tile(tmp_path, 1, "train", 0)
    inventory = Inventory.read(plan(tmp_path, tmp_path / "data", [tile]))
    paths: list[str] = []

    def read(file: SourceFile) -> bytes:
        paths.append(file.path)
        return (tmp_path / file.path).read_bytes()

    assert isinstance(check_tile(tile, inventory, read), CheckedTile)
    assert len(paths) == len(set(paths)) == 6


def test_the_images_are_kept_byte_for_byte(tmp_path: Path) -> None:
    tile = write_tile(tmp_path, 1, "train", 0)
    checked = check(tmp_path, tile)
    assert isinstance(checked, CheckedTile)
    assert tile.nir is not None
    assert checked.record.rgb == (tmp_path / tile.rgb.path).read_bytes()
    assert checked.record.nir == (tmp_path / tile.nir.path).read_bytes()
    assert checked.record.valid_mask == b""  # all valid


def test_only_valid_pixels_count_for_a_class(tmp_path: Path) -> None:
    tile = write_tile(tmp_path, 1, "train", 0)
    tile = replaced(tmp_path, tile, "boundary", encoded(rectangle(0, 0, 32, 64), "PNG"))
    tile = replaced(tmp_path, tile, "mask", encoded(rectangle(0, 0, 64, 32), "PNG"))  # 32 x 32 = 1,024 valid pixels
    tile = replaced(tmp_path, tile, "drydown", encoded(rectangle(28, 0, 60, 16), "PNG"))  # 4 x 16 = 64 of them
    tile = replaced(tmp_path, tile, "weed_cluster", encoded(rectangle(32, 32, 64, 64), "PNG"))  # wholly outside
    checked = check(tmp_path, tile)
    assert isinstance(checked, CheckedTile)
    assert checked.valid_pixels == 1024
    assert checked.class_pixels.tolist() == [64, 0]
    assert checked.record.labels == [1.0, 0.0]
    assert checked.record.class_fractions == [64 / 1024, 0.0]
    assert checked.band_histogram.sum(axis=1).tolist() == [1024] * 4
    assert checked.record.valid_mask


@pytest.mark.parametrize(
    ("min_class_fraction", "num_pixels", "is_present"),
    [
        (0.0, 0, False),  # none is none, whatever the fraction
        (0.0, 1, True),
        (0.01, 40, False),  # of 4,096 pixels, 1 % are 40.96
        (0.01, 41, True),
        (0.0001, 1, True),  # 0.4 pixels: one is enough
    ],
)
def test_a_class_is_present_from_its_least_share_on(
    tmp_path: Path, min_class_fraction: float, num_pixels: int, is_present: bool
) -> None:
    pixels = np.zeros(64 * 64, np.uint8)
    pixels[:num_pixels] = 255
    label = encoded(Image.fromarray(pixels.reshape(64, 64)), "PNG")
    tile = replaced(tmp_path, write_tile(tmp_path, 1, "train", 0), "weed_cluster", label)
    checked = check(tmp_path, tile, min_class_fraction=min_class_fraction)
    assert isinstance(checked, CheckedTile)
    assert checked.record.labels[1] == is_present


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(noise(1, 3), "PNG"),
        lambda: encoded(noise(1, 1), "JPEG"),
        lambda: encoded(noise(1, 4), "PNG"),
        lambda: encoded(noise(1, 3).quantize(16), "PNG"),
    ],
    ids=["png", "gray", "alpha", "palette"],
)
def test_a_users_own_picture_of_a_class_needs_no_masks(tmp_path: Path, make: Callable[[], bytes]) -> None:
    tile = SourceTile(
        tile_id="cat/1", field_id="cat/1", split="train", shard=0, rgb=write_file(tmp_path, "cat/1.png", make()),
        classes=("cat",),
    )  # fmt: skip
    checked = check(tmp_path, tile, layout=CLASS_FOLDERS, classes=("ant", "cat"), bands=RGB_BANDS)
    assert isinstance(checked, CheckedTile)
    assert checked.record.labels == [0.0, 1.0]
    assert checked.record.class_fractions == [0.0, 1.0]
    assert checked.class_pixels.tolist() == [0, 64 * 64]
    assert (checked.record.nir, checked.record.valid_mask) == (b"", b"")
    assert checked.band_histogram.shape == (3, 256)


def test_a_class_outside_the_class_list_is_named(tmp_path: Path) -> None:
    tile = msgspec.structs.replace(write_tile(tmp_path, 1, "train", 0), classes=("dog",))
    assert check(tmp_path, tile) == Rejection(
        tile.tile_id, "unknown class 'dog'; expected one of drydown, weed_cluster"
    )


def tile_of(root: Path, content: bytes) -> SourceTile:
    return SourceTile(
        tile_id="cat/1", field_id="cat/1", split="train", shard=0, rgb=write_file(root, "cat/1.tif", content),
        classes=("cat",),
    )  # fmt: skip


def test_a_tile_of_four_bands_becomes_two_pictures(tmp_path: Path) -> None:
    four = np.dstack([np.asarray(noise(0, 3)), np.asarray(noise(1, 1))])
    settings: dict[str, Any] = {"layout": CLASS_FOLDERS, "classes": ("cat",)}
    checked = check(tmp_path, tile_of(tmp_path, tiff(four * np.uint16(16))), max_16_bit=4_095, **settings)
    assert isinstance(checked, CheckedTile)
    assert (checked.is_16_bit, checked.remark) == (True, "")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(checked.record.rgb))), four[..., :3])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(checked.record.nir))), four[..., 3])
    assert checked.band_histogram.shape == (4, 256)

    smaller = check(tmp_path, tile_of(tmp_path, tiff(four)), tile_size_px=32, **settings)
    assert isinstance(smaller, CheckedTile)
    assert Image.open(io.BytesIO(smaller.record.nir)).size == (32, 32)

    bad = check(tmp_path, tile_of(tmp_path, tiff(four[..., :3])), **settings)
    assert bad == Rejection("cat/1", "rgb: expected RGB with near infrared, got RGB")
    flat = np.dstack([four[..., :3], np.full((64, 64), 7, np.uint8)])
    assert check(tmp_path, tile_of(tmp_path, tiff(flat)), **settings) == Rejection(
        "cat/1", "nir: empty band, every pixel is 7"
    )


def test_what_was_done_with_a_file_is_remarked(tmp_path: Path) -> None:
    tile = write_tile(tmp_path, 1, "train", 0)
    tile = replaced(
        tmp_path, tile, "boundary", encoded(rectangle(0, 0, 64, 64).point(lambda value: value // 255), "PNG")
    )
    tile = replaced(tmp_path, tile, "drydown", tiff(np.asarray(rectangle(0, 0, 9, 9)) // 255))
    checked = check(tmp_path, tile)
    assert isinstance(checked, CheckedTile)
    assert checked.remark == ("boundary: 0 and 1 were read as 0 and 255; label drydown: 0 and 1 were read as 0 and 255")
    assert checked.class_pixels.tolist() == [81, 32 * 16]

    turned = Image.Exif()
    turned[274] = 8
    content = encoded(noise(1, 3), "JPEG", exif=turned)
    settings: dict[str, Any] = {"layout": CLASS_FOLDERS, "classes": ("cat",), "bands": RGB_BANDS}
    alone = check(tmp_path, tile_of(tmp_path, content), **settings)
    assert isinstance(alone, CheckedTile)
    assert alone.remark == "rgb: turned by EXIF orientation 8"
    bad = check(tmp_path, replaced(tmp_path, tile, "rgb", content))
    assert isinstance(bad, Rejection)
    assert bad.reason.startswith("rgb: EXIF orientation 8: it lies turned in its file")
    beside = tile_of(tmp_path, content)
    for role in ("boundary", "mask"):  # as predict takes them
        under = msgspec.structs.replace(
            beside, **{role: write_file(tmp_path, role, encoded(rectangle(0, 0, 9, 9), "PNG"))}
        )
        bad = check(tmp_path, under, **settings)
        assert isinstance(bad, Rejection)
        assert bad.reason.startswith("rgb: EXIF orientation 8: it lies turned in its file")
