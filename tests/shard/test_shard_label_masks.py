"""The pixels of each class in a record: only if asked for, only valid ones, of the stored tile's size."""

import tracemalloc
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from small_source import encoded, plan, rectangle, write_file, write_source, write_tile

from components.contracts import Inventory, SourceTile
from components.progress import StepLog
from components.records.mask_png import packed_mask
from components.records.tile_record import Record, serialize
from components.shard.stored_size import scaled_mask
from components.shard.tile_check import CheckedTile, check_tile
from components.shard.writer import shard_partition


def checked(root: Path, tile: SourceTile, **settings: object) -> CheckedTile:
    inventory = Inventory.read(plan(root, root / "data", [tile], **settings))
    result = check_tile(tile, inventory, lambda file: (root / file.path).read_bytes())
    assert isinstance(result, CheckedTile)
    return result


def pixels(content: bytes) -> np.ndarray:
    packed, width = packed_mask(content)
    return np.unpackbits(packed, axis=1, count=width).astype(bool)


def as_mask(*corners: int) -> np.ndarray:
    return np.asarray(rectangle(*corners)) > 127


@pytest.fixture
def tile(tmp_path: Path) -> SourceTile:
    """Classes that overlap, and reach out of a field that leaves the tile."""
    tile = write_tile(tmp_path, 1, "train", 0)
    files = {
        "boundary": write_file(tmp_path, "b.png", encoded(rectangle(0, 0, 43, 64), "PNG")),
        "labels": {
            "drydown": write_file(tmp_path, "d.png", encoded(rectangle(10, 10, 60, 40), "PNG")),
            "weed_cluster": write_file(tmp_path, "w.png", encoded(rectangle(30, 20, 64, 64), "PNG")),
        },
    }
    return msgspec.structs.replace(tile, **files)


def test_a_mask_holds_the_valid_pixels_of_its_class(tmp_path: Path, tile: SourceTile) -> None:
    record = checked(tmp_path, tile, label_masks=True).record
    valid = as_mask(0, 0, 43, 64)
    expected = [as_mask(10, 10, 60, 40) & valid, as_mask(30, 20, 64, 64) & valid]
    for c, mask in enumerate(expected):
        assert (pixels(record.label_masks[c]) == mask).all()
        assert record.class_fractions[c] == pytest.approx(mask.sum() / valid.sum())


def test_masks_of_a_smaller_stored_tile_are_scaled_as_its_valid_mask_is(tmp_path: Path, tile: SourceTile) -> None:
    record = checked(tmp_path, tile, label_masks=True, tile_size_px=40).record
    valid = scaled_mask(as_mask(0, 0, 43, 64), (40, 40))
    assert (pixels(record.valid_mask) == valid).all()
    weed = scaled_mask(as_mask(30, 20, 64, 64) & as_mask(0, 0, 43, 64), (40, 40)) & valid
    assert (pixels(record.label_masks[1]) == weed).all()


def test_a_class_without_a_valid_pixel_has_no_mask_and_one_below_the_least_share_has(
    tmp_path: Path, tile: SourceTile
) -> None:
    files = {
        "drydown": write_file(tmp_path, "o.png", encoded(rectangle(50, 0, 64, 64), "PNG")),
        "weed_cluster": write_file(tmp_path, "s.png", encoded(rectangle(0, 0, 2, 2), "PNG")),
    }
    tile = msgspec.structs.replace(tile, labels=files)
    record = checked(tmp_path, tile, label_masks=True, min_class_fraction=0.01).record
    assert record.labels == [0.0, 0.0]
    assert record.label_masks[0] == b""
    assert pixels(record.label_masks[1]).sum() == 4


def test_without_masks_a_record_has_the_bytes_that_it_had_before_there_were_any(
    tmp_path: Path, tile: SourceTile
) -> None:
    without, with_masks = checked(tmp_path, tile), checked(tmp_path, tile, label_masks=True)
    assert b"label_masks" not in without.serialized
    names = ("tile_id", "field_id", "rgb", "nir", "valid_mask", "labels", "class_fractions")
    same = Record(**{name: getattr(with_masks.record, name) for name in names})
    assert serialize(same) == without.serialized


def test_shards_with_masks_are_others_than_those_without(tmp_path: Path) -> None:
    root, data_root = tmp_path / "source", tmp_path / "data"
    tiles = write_source(root, train=2, val=1, test=1)
    digests = {}
    for name, masks in (("off", False), ("on", True), ("again", True)):
        inventory = plan(root, data_root, tiles, name=name, label_masks=masks)
        receipts = shard_partition(str(inventory), "0", str(data_root), str(tmp_path / name), StepLog("shard"))
        digests[name] = receipts.source_digests
    assert not {*digests["off"]} & {*digests["on"]}
    assert digests["on"] == digests["again"]


@pytest.mark.hostile
@pytest.mark.parametrize("tile_size_px", [0, 400])
def test_a_large_tile_with_all_classes_takes_the_memory_of_a_few_masks(tmp_path: Path, tile_size_px: int) -> None:
    side, num_classes = 512, 100
    tile = write_tile(tmp_path, 1, "train", 0)
    inventory = Inventory.read(plan(tmp_path, tmp_path / "data", [tile], label_masks=True, tile_size_px=tile_size_px))
    names = tuple(f"class {number}" for number in range(num_classes))
    rgb, nir, white = (Image.new(mode, (side, side), colour) for mode, colour in (("RGB", 0), ("L", 0), ("L", 255)))
    nir.putpixel((0, 0), 9)
    mask = write_file(tmp_path, "mask", encoded(white, "PNG"))
    tile = msgspec.structs.replace(
        tile,
        rgb=write_file(tmp_path, "rgb", encoded(rgb, "JPEG")),
        nir=write_file(tmp_path, "nir", encoded(nir, "PNG")),
        boundary=None,
        mask=None,
        labels=dict.fromkeys(names, mask),
    )
    of_all = msgspec.structs.replace(inventory, classes=names)
    tracemalloc.start()
    result = check_tile(tile, of_all, lambda file: (tmp_path / file.path).read_bytes())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(result, CheckedTile), result
    assert all(pixels(content).all() for content in result.record.label_masks)
    assert len(result.record.label_masks) == num_classes
    assert peak < 12 << 20  # the masks together are 26 MB
