"""How each arm gets its batches: a reader for each pair of layout and reader that comparisons ask for."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from components.errors import SettingsError
from components.records import jpeg
from components.records.tfrecords import decoder_ratio
from components.study.arms.arm import Arm
from components.study.experiments.formats.original_records import read_original_records, write_original_records
from components.study.experiments.prepared_tiles import PreparedTiles
from components.train.input.reader import Reader

# Images [B, S, S, 3], uint8 or float32, and labels int64 [B]
InputBatches: TypeAlias = Iterator[tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class ArmInput:
    """An arm's way to its batches.

    Attributes:
      epoch: Starts an epoch.
      scale: Factor that brings its pixels to 0..1: uint8 stays so until it is on the device.
      reads_same_pixels: Whether its decoder gives the project's own pixels.
      tile_ids: Of an epoch, in the order of its steps; None if the reader loses the names.
      convert: Makes what it reads out of the folder; None if nothing is to be made.
    """

    epoch: Callable[[], InputBatches]
    scale: float
    reads_same_pixels: bool
    tile_ids: tuple[str, ...] | None
    convert: Callable[[], None] | None = None


def open_arm_input(arm: Arm, tiles: PreparedTiles, scratch: str) -> ArmInput:
    """Returns the input of an arm.

    Args:
      scratch: Ends the name of a file that the arm writes, so that no other arm writes the same.

    Raises:
      SettingsError: if no reader can read the arm's layout.
    """
    makers: dict[tuple[str, str], Callable[[Arm, PreparedTiles], ArmInput]] = {
        ("folder", "keras_directory"): _keras_directory,
        ("folder", "python_generator"): _python_generator,
        ("folder", "tf_data"): _tf_data_folder,
        ("jpeg_records", "tf_data"): _tf_data_records,
        ("raw_records", "tf_data"): _tf_data_records,
        ("original_tfrecord", "original"): functools.partial(_original, scratch=scratch),
        ("shards", "agrivision"): _shards,
    }
    key = (arm.source.layout, arm.source.reader)
    if key not in makers:
        known = ", ".join(f"{layout} with {reader}" for layout, reader in makers)
        raise SettingsError(
            f"the arm {arm.name!r} must read one of {known}; got {arm.source.layout} with {arm.source.reader}"
        )
    return makers[key](arm, tiles)


def _of_same_pixels(tiles: PreparedTiles, epoch: Callable[[], InputBatches]) -> ArmInput:
    return ArmInput(epoch, 1.0 / 255.0, reads_same_pixels=True, tile_ids=tuple(tile.tile_id for tile in tiles.tiles))


def _keras_directory(arm: Arm, tiles: PreparedTiles) -> ArmInput:
    side, batch = arm.training.config.image_size_px, arm.training.config.global_batch_size
    batches = keras.utils.image_dataset_from_directory(
        str(tiles.folder),
        label_mode="int",
        class_names=list(tiles.manifest.classes),
        batch_size=batch,
        image_size=(side, side),
        seed=arm.training.config.seed,
        verbose=False,
    )
    # It also gives what fills no batch.
    whole = batches.take(arm.source.num_tiles // batch)
    return ArmInput(lambda: iter(whole), 1.0 / 255.0, reads_same_pixels=False, tile_ids=None)


def _original(arm: Arm, tiles: PreparedTiles, scratch: str) -> ArmInput:
    config, path = arm.training.config, tiles.root / f"original-{scratch}.tfrecord"

    def convert() -> None:
        write_original_records(tiles.folder, tiles.manifest.classes, path)

    convert()
    batches = read_original_records(path, config.image_size_px, config.global_batch_size, config.seed)
    return ArmInput(lambda: iter(batches), 1.0, reads_same_pixels=False, tile_ids=None, convert=convert)


def _python_generator(arm: Arm, tiles: PreparedTiles) -> ArmInput:
    placed, batch = tiles.tiles, arm.training.config.global_batch_size

    def epoch() -> InputBatches:
        for start in range(0, len(placed) - batch + 1, batch):
            some = placed[start : start + batch]
            images = [jpeg.decode((tiles.folder / tile.path).read_bytes(), 3) for tile in some]
            yield tf.constant(np.stack(images)), tf.constant([tile.label for tile in some], tf.int64)

    return _of_same_pixels(tiles, epoch)


def _decoded(content: Any, side: int) -> Any:
    # As the project's own decoder does it.
    return tf.ensure_shape(tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"), [side, side, 3])


def _batched(arm: Arm, tiles: PreparedTiles, items: Any, decode: Callable[..., Any]) -> ArmInput:
    options = tf.data.Options()
    options.threading.private_threadpool_size = arm.source.num_threads
    batches = (
        items.map(decode, num_parallel_calls=arm.source.num_threads, deterministic=True)
        .batch(arm.training.config.global_batch_size, drop_remainder=True)
        .prefetch(1)  # as our reader has one ready
        .with_options(options)
    )
    return _of_same_pixels(tiles, lambda: iter(batches))


def _tf_data_folder(arm: Arm, tiles: PreparedTiles) -> ArmInput:
    side = arm.training.config.image_size_px
    paths = [str(tiles.folder / tile.path) for tile in tiles.tiles]
    labels = np.array([tile.label for tile in tiles.tiles], np.int64)
    items = tf.data.Dataset.from_tensor_slices((paths, labels))
    return _batched(arm, tiles, items, lambda path, label: (_decoded(tf.io.read_file(path), side), label))


def _tf_data_records(arm: Arm, tiles: PreparedTiles) -> ArmInput:
    side, num_files = arm.training.config.image_size_px, arm.source.num_files
    is_raw = arm.source.layout == "raw_records"
    files = [str(path) for path in tiles.record_files(arm.source.layout, num_files)]
    items: Any = tf.data.TFRecordDataset(files[0])
    if num_files > 1:
        items = tf.data.Dataset.from_tensor_slices(files).interleave(
            tf.data.TFRecordDataset,
            cycle_length=num_files,
            block_length=1,
            num_parallel_calls=min(num_files, arm.source.num_threads),
            deterministic=True,
        )
    key = "pixels" if is_raw else "image_raw"
    features = {key: tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def decode(serialized: Any) -> tuple[Any, Any]:
        parsed = tf.io.parse_single_example(serialized, features)
        if is_raw:
            return tf.reshape(tf.io.decode_raw(parsed[key], tf.uint8), [side, side, 3]), parsed["label"]
        return _decoded(parsed[key], side), parsed["label"]

    return _batched(arm, tiles, items, decode)


def _shards(arm: Arm, tiles: PreparedTiles) -> ArmInput:
    config, manifest, placed = arm.training.config, tiles.manifest, tiles.tiles
    reader = Reader(
        index=tiles.index(),
        bands=manifest.bands,
        num_classes=len(manifest.classes),
        image_size_px=config.image_size_px,
        ratio=decoder_ratio(list(manifest.tile_sizes), config.image_size_px),
        num_threads=arm.source.num_threads,
    )
    num_steps = len(placed) // config.global_batch_size
    plan = np.array([tile.record for tile in placed[: num_steps * config.global_batch_size]], np.int64)

    def epoch() -> InputBatches:
        for _, batch in reader.batches(plan.reshape(num_steps, config.global_batch_size)):
            yield batch.image, tf.constant(np.argmax(batch.labels.numpy(), axis=1).astype(np.int64))

    return _of_same_pixels(tiles, epoch)
