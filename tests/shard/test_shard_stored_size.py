"""Tiles stored smaller are what an exact computation says, and labels lose nothing."""

import hashlib
import io
import itertools
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sharded import shard_and_merge
from small_source import CLASSES, encoded, plan, rectangle, write_file, write_tile

from components.contracts import Inventory, Manifest, Rejection, SourceTile
from components.dataset.audit.verify import verify_manifest
from components.dataset.picture_digests import picture_digest
from components.ingest.settings import TILE_SIZES_PX
from components.progress import StepLog
from components.records import tfrecords
from components.records.image_header import MAX_SIDE_PX
from components.shard.stored_size import scaled_counts, scaled_jpeg, scaled_mask, stored_size
from components.shard.tile_check import CheckedTile, check_tile
from components.shard.writer import shard_partition


@pytest.mark.parametrize(
    ("width", "height", "tile_size_px", "expected"),
    [
        (512, 512, 0, (512, 512)),
        (512, 512, 256, (256, 256)),
        (512, 512, 300, (300, 300)),
        (512, 512, 512, (512, 512)),
        (512, 512, 1024, (512, 512)),  # never enlarged
        (640, 480, 240, (320, 240)),
        (480, 640, 240, (240, 320)),
        (1000, 333, 100, (300, 100)),
        (333, 1000, 100, (100, 300)),
        (1001, 333, 32, (96, 32)),  # 96.19
        (8192, 32, 32, (8192, 32)),  # the shorter side counts: the model sees nothing smaller
    ],
)
def test_the_shorter_side_gets_the_size_unless_it_is_less(width, height, tile_size_px, expected):
    assert stored_size(width, height, tile_size_px) == expected


def test_every_side_that_can_be_set_can_be_read_back():
    assert TILE_SIZES_PX[1] == MAX_SIDE_PX


def triangle(source: int, target: int) -> np.ndarray:
    """The filter's exact weights, [target, source]: falling to nothing over two output pixels."""
    scale = Fraction(source, target)
    centres = [(2 * index + 1) * scale / 2 for index in range(target)]
    weights = [[max(0, 1 - abs((place + Fraction(1, 2) - at) / scale)) for place in range(source)] for at in centres]
    return np.array([[float(weight / sum(row)) for weight in row] for row in weights])


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).astype(float)


def white_noise(num_bands: int) -> np.ndarray:
    """Nothing is harder to scale or to encode: another filter is off by 6 on average, averaging areas by 15."""
    return np.random.default_rng(3).integers(0, 256, (64, 64, num_bands), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (48, 48), (33, 63)])
@pytest.mark.parametrize(("num_bands", "mean_error"), [(1, 2), (3, 4)])
def test_pixels_are_those_of_the_exact_filter_but_for_the_jpegs_error(size, num_bands, mean_error):
    pixels = white_noise(num_bands)
    rows, columns = triangle(64, size[1]), triangle(64, size[0])
    exact = np.einsum("hr,rcb,wc->hwb", rows, pixels.astype(float), columns)
    stored = decoded(scaled_jpeg(pixels, size)).reshape(exact.shape)
    assert np.abs(stored - exact).mean() < mean_error


def test_what_is_smooth_at_the_stored_size_is_as_averaging_areas_gives_it():
    rows, columns = np.mgrid[0:128, 0:128]
    pixels = np.stack([128 + 100 * np.sin(rows / 20), 2.0 * columns, 250.0 - rows - columns / 2], axis=-1)
    pixels = pixels.round().astype(np.uint8)
    stored = decoded(scaled_jpeg(pixels, (32, 32)))
    averaged = pixels.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    error = np.abs(stored - averaged)[1:-1, 1:-1]
    assert error.mean() < 1
    assert error.max() < 6


def test_a_pattern_too_fine_for_the_stored_size_turns_grey_instead_of_another_pattern():
    stripes = np.zeros((256, 256, 1), np.uint8)
    stripes[:, ::2] = 255
    stored = decoded(scaled_jpeg(stripes, (100, 100)))[2:-2, 2:-2]
    assert np.abs(stored - 127.5).max() < 12


def test_pixels_are_those_that_the_reader_gets_by_resizing():
    pixels = white_noise(1)
    for size in (32, 40):
        resized = tf.image.resize(pixels, [size, size], antialias=True).numpy()[..., 0]
        assert np.abs(decoded(scaled_jpeg(pixels, (size, size))) - resized).mean() < 2


def test_equal_pixels_give_the_bytes_that_they_gave_when_this_was_written():
    """If this fails, shards of smaller tiles change: with a library, on another machine, or by what was edited."""
    rows, columns = np.mgrid[0:100, 0:100]
    pixels = np.stack([rows * columns % 251, (3 * rows + columns) % 241, rows ^ columns], axis=-1).astype(np.uint8)
    digests = [hashlib.sha256(scaled_jpeg(part, (37, 37))).hexdigest()[:16] for part in (pixels, pixels[..., :1])]
    assert digests == ["6c1f329f6ab094e5", "b1d978bd9b8ec9b8"]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (6, 4), (9, 11), (8, 10)])
def test_a_mask_is_true_where_more_than_half_of_the_area_is(size):
    width, height = 12, 14
    mask = np.random.default_rng(1).random((height, width)) < 0.55
    mask[:7, :6] = np.indices((7, 6)).sum(axis=0) % 2  # just half where sizes divide: not valid
    scaled = scaled_mask(mask, size)
    x, y = Fraction(width, size[0]), Fraction(height, size[1])

    def overlap(index: int, side: Fraction, place: int) -> Fraction:
        return max(Fraction(0), min((index + 1) * side, Fraction(place + 1)) - max(index * side, Fraction(place)))

    for row, column in itertools.product(range(size[1]), range(size[0])):
        area = sum(overlap(row, y, r) * overlap(column, x, c) for r, c in np.argwhere(mask).tolist())
        assert scaled[row, column] == (2 * area > x * y)


def test_counts_keep_their_share_and_never_vanish():
    counts = np.array([0, 1, 600, 100_000, 262_144])
    assert scaled_counts(counts, 262_144, 16_384).tolist() == [0, 1, 38, 6_250, 16_384]
    assert scaled_counts(np.array([1]), 1, 5).tolist() == [5]


def check(root: Path, tile: SourceTile, tile_size_px: int) -> CheckedTile | Rejection:
    inventory = Inventory.read(plan(root, root / "data", [tile], tile_size_px=tile_size_px))
    return check_tile(tile, inventory, lambda file: (root / file.path).read_bytes())


def test_labels_are_those_of_the_full_masks_and_statistics_those_of_the_stored_pixels(tmp_path):
    tile = write_tile(tmp_path, 0, "train", 0)
    boundary = write_file(tmp_path, "boundary.png", encoded(rectangle(0, 0, 43, 64), "PNG"))
    speck = write_file(tmp_path, "speck.png", encoded(rectangle(9, 9, 10, 10), "PNG"))  # one pixel
    tile = msgspec.structs.replace(tile, boundary=boundary, labels={**tile.labels, "weed_cluster": speck})
    full, small = check(tmp_path, tile, 0), check(tmp_path, tile, 32)
    assert isinstance(full, CheckedTile)
    assert isinstance(small, CheckedTile)
    assert small.record.labels == full.record.labels == [1.0, 1.0]
    assert small.record.class_fractions == full.record.class_fractions
    assert small.picture_digest == full.picture_digest == picture_digest((tmp_path / tile.rgb.path).read_bytes())
    assert (small.width_px, small.height_px, small.valid_pixels) == (
        32,
        32,
        21 * 32,
    )  # 21.5 columns: half is not enough
    assert full.class_pixels.tolist() == [20 * 32, 1]
    assert small.class_pixels.tolist() == [round(20 * 32 * 21 * 32 / (43 * 64)), 1]
    rgb, nir = decoded(small.record.rgb), decoded(small.record.nir)
    bands = np.dstack([rgb, nir])[:, :21].reshape(-1, 4).astype(int)
    expected = [np.bincount(band, minlength=256).tolist() for band in bands.T]
    assert small.band_histogram.tolist() == expected


def test_a_tile_that_is_small_enough_is_stored_as_it_is(tmp_path):
    tile = write_tile(tmp_path, 0, "train", 0)
    stored = check(tmp_path, tile, 64)
    assert isinstance(stored, CheckedTile)
    assert stored.record.rgb == (tmp_path / tile.rgb.path).read_bytes()


def test_a_tile_without_a_valid_pixel_left_is_rejected(tmp_path):
    tile = write_tile(tmp_path, 0, "train", 0)
    speck = write_file(tmp_path, "speck.png", encoded(rectangle(9, 9, 10, 10), "PNG"))
    bad = check(tmp_path, msgspec.structs.replace(tile, mask=speck), 32)
    assert bad == Rejection(tile.tile_id, "no valid pixel is left at 32x32 px")


def test_shards_are_the_same_bytes_whatever_threads_and_partitions(tmp_path, source):
    root, tiles = source
    seen = []
    for num_partitions, num_threads in ((1, 1), (3, 4)):
        data_root = tmp_path / str(num_partitions)
        inventory_path = plan(root, data_root, tiles, num_partitions, tile_size_px=32)
        for index in range(num_partitions):
            receipts = str(data_root / f"receipts-{index}")
            shard_partition(str(inventory_path), str(index), str(data_root), receipts, StepLog("shard"), num_threads)
        seen.append({path.name: path.read_bytes() for path in (data_root / "shards").iterdir()})
    assert seen[0] == seen[1]
    assert len(seen[0]) == 5


def test_a_dataset_of_smaller_tiles_says_so_and_reads_back(tmp_path, source):
    root, tiles = source
    manifests: list[Manifest] = []
    for size in (0, 32):
        folder = tmp_path / str(size)
        inventory_path = plan(root, folder / "data", tiles, tile_size_px=size)
        manifests.append(shard_and_merge(inventory_path, folder / "data", folder))
    full, small = manifests
    assert (full.tile_size_px, full.tile_sizes) == (0, {"64x64": 20})
    assert (small.tile_size_px, small.tile_sizes) == (32, {"32x32": 20})
    assert [split.class_tiles for split in small.splits.values()] == [s.class_tiles for s in full.splits.values()]
    for before, after in zip(full.splits.values(), small.splits.values(), strict=True):
        assert after.band_mean == pytest.approx(before.band_mean, abs=0.005)
        assert after.valid_pixels == pytest.approx(before.valid_pixels / 4, rel=0.03)
    data = tmp_path / "32/data"
    assert "20 tiles in 5 shards" in str(verify_manifest(str(next(data.glob("datasets/*/manifest.json"))), str(data)))
    assert "down to 32 px where larger" in (tmp_path / "32/report.html").read_text()
    path = data / small.splits["train"].shards[0].path
    for serialized in tf.data.TFRecordDataset([str(path)]):
        tile = tfrecords.parse(serialized, len(CLASSES))
        images = tile["rgb"], tile["nir"], tile["valid_mask"]
        for image_size_px, ratio in ((32, 1), (20, 1), (16, 2), (8, 4)):  # train at the stored size, and below
            assert tfrecords.decoder_ratio(list(small.tile_sizes), image_size_px) == ratio
            image, valid = tfrecords.decode_image(*images, small.bands, image_size_px, ratio)
            assert image.shape == (image_size_px, image_size_px, 4)
            assert valid.shape == (image_size_px, image_size_px, 1)
