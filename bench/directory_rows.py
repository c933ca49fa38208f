"""The reader against Keras reading tiles from folders: the reference study's generator and its successor."""

import concurrent.futures
import dataclasses
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bench.dataset import Dataset, stored_at, tile_size_px
from bench.decode_rows import reader_side
from bench.pairs import Row, Side
from bench.run_settings import Setup
from bench.sides import compare
from components.measuring.turns import Turn, stream_turn
from components.train.settings.tuning.network import USUAL_IMAGE_SIZE_PX
from components.train.step.augment import Augmentation, augment

# The reference study's augmentation.
_AUGMENTATION = Augmentation(flips=True, zoom_range=0.2, shear_degrees=10.0, brightness_range=0.2)
_KERAS_SIZE_PX = 256  # its default
# Everything that the reader delivers, so also the files of valid pixels.
_ROLES = (("rgb", "rgb"), ("nir", "grayscale"), ("boundary", "grayscale"), ("mask", "grayscale"))


def _class_folder(setup: Setup, role: str) -> Path:
    """Returns a folder with one class of links to the source's files of one role."""
    folder = Path(tempfile.mkdtemp()) / role / "all"
    folder.mkdir(parents=True)
    for path in setup.dataset.files_of(role):
        (folder / path.name).symlink_to(path.resolve())
    return folder.parent


def keras_directory(setup: Setup, target: float) -> Row:
    """The reader against `keras.utils.image_dataset_from_directory` at full size, so both only decode."""
    return _keras_directory("reader_vs_keras_directory", setup, target, tile_size_px(setup.dataset.manifest))


def keras_directory_256(setup: Setup, target: None) -> Row:
    """The same at the default size of Keras."""
    return _keras_directory("reader_vs_keras_directory_256", setup, target, _KERAS_SIZE_PX)


def keras_directory_128(setup: Setup, target: None) -> Row:
    """The same at the default size of training."""
    return _keras_directory("reader_vs_keras_directory_128", setup, target, USUAL_IMAGE_SIZE_PX)


def keras_directory_stored_256(setup: Setup, target: None) -> Row:
    """The same at the default size of Keras, with the shards' tiles stored at that size."""
    dataset = stored_at(setup.dataset, _KERAS_SIZE_PX)
    return _keras_directory("reader_stored_256_vs_keras_directory_256", setup, target, _KERAS_SIZE_PX, dataset)


def _keras_directory(name: str, setup: Setup, target: float | None, size: int, dataset: Dataset | None = None) -> Row:
    import keras

    parts = [
        keras.utils.image_dataset_from_directory(
            _class_folder(setup, role),
            color_mode=mode,
            image_size=(size, size),
            batch_size=setup.batch_size,
            seed=0,
            verbose=False,
        )
        for role, mode in _ROLES
    ]
    what = (
        f"keras.utils.image_dataset_from_directory {keras.__version__} on the source files, zipped RGB, NIR, boundary "
        f"and mask, {setup.num_threads} threads, {size} px float32, as Keras makes them"
    )
    batches = tf.data.Dataset.zip(*parts).repeat()
    other = Side(what, stream_turn(batches, setup.batch_size, setup.num_batches, num_warm=32))  # Keras buffers many
    more = f", from shards with tiles stored at {size} px" if dataset else ""
    return compare(name, reader_side(setup, size, more, dataset), other, setup, target)


def image_data_generator(setup: Setup, target: float) -> Row:
    """The reader with augmentation on the device, against Keras `ImageDataGenerator` with the same augmentation."""
    size = tile_size_px(setup.dataset.manifest)
    return _image_data_generator("reader_vs_image_data_generator", setup, target, size, setup.dataset)


def image_data_generator_stored_256(setup: Setup, target: None) -> Row:
    """The same at the default size of Keras, with the shards' tiles stored at that size."""
    dataset = stored_at(setup.dataset, _KERAS_SIZE_PX)
    name = "reader_stored_256_vs_image_data_generator_256"
    return _image_data_generator(name, setup, target, _KERAS_SIZE_PX, dataset)


def _image_data_generator(name: str, setup: Setup, target: float | None, size: int, dataset: Dataset) -> Row:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        horizontal_flip=True, vertical_flip=True, zoom_range=0.2, shear_range=10, brightness_range=(0.8, 1.2)
    )
    flows = [
        generator.flow_from_directory(
            _class_folder(setup, name),
            target_size=(size, size),
            color_mode=mode,
            batch_size=setup.batch_size,
            class_mode=None,
            seed=0,
        )
        for name, mode in _ROLES
    ]
    pool = concurrent.futures.ThreadPoolExecutor(setup.num_threads)
    num_full = min(flow.n // setup.batch_size for flow in flows)

    def batches() -> Iterator[Any]:
        # Like keras.Model.fit with `workers`: threads take batches by number.
        numbers = itertools.cycle(range(num_full))
        pending = [
            pool.submit(lambda n=n: [flow[n] for flow in flows]) for n in itertools.islice(numbers, setup.num_threads)
        ]
        for number in numbers:
            yield pending.pop(0).result()
            pending.append(pool.submit(lambda n=number: [flow[n] for flow in flows]))

    def augmented() -> Iterator[Any]:
        stream = dataset.batches(setup.num_threads, size, setup.batch_size)
        positions = np.arange(setup.batch_size, dtype=np.int32)

        @tf.function  # type: ignore[untyped-decorator]
        def change(image: Any, valid: Any, step: Any) -> Any:
            return augment(image, valid, _AUGMENTATION, 0, step, positions, setup.batch_size)

        for step, batch in enumerate(stream):
            yield change(batch.image, batch.valid, tf.constant(step, tf.int64))  # type: ignore[attr-defined]

    few = max(3, setup.num_batches // 6)  # a batch takes seconds
    slow: Turn = stream_turn(batches(), setup.batch_size, few, num_warm=setup.num_threads + 1)
    stored = f", shards with tiles stored at {size} px" if dataset is not setup.dataset else ""
    same = "flips, zoom 0.8-1.2, shear up to 10 degrees, brightness 0.8-1.2"
    return compare(
        name,
        Side(
            f"components.train.input.reader, {setup.num_threads} threads{stored}, and on the device (here: this "
            f"processor) {same}",
            stream_turn(augmented(), setup.batch_size, setup.num_batches),
        ),
        Side(
            f"keras ImageDataGenerator on the source files, RGB, NIR, boundary and mask, {setup.num_threads} threads: "
            f"{same}, {size} px float32",
            slow,
        ),
        dataclasses.replace(setup, num_rounds=min(setup.num_rounds, 3)),
        target,
    )
