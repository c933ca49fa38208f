"""The reader against what else reads such tiles: Keras, Grain, torch. Each peer reads RGB and NIR its usual way."""

import concurrent.futures
import dataclasses
import io
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from bench.dataset import tile_size_px
from bench.decode_rows import reader_side
from bench.pairs import Row, Side, Turn, stream_turn
from bench.run_settings import Setup
from bench.sides import compare
from components.train.augment import Augmentation, augment

# The reference study's.
_AUGMENTATION = Augmentation(flips=True, zoom_range=0.2, shear_degrees=10.0, brightness_range=0.2)


def _decoded(rgb: bytes, nir: bytes) -> NDArray[np.uint8]:
    """Decodes a tile with Pillow, as a torch or Grain user does, to uint8 [S, S, 4]."""
    bands = np.asarray(Image.open(io.BytesIO(rgb)))
    return np.dstack([bands, np.asarray(Image.open(io.BytesIO(nir)))])


def _class_folder(setup: Setup, role: str) -> Path:
    """Returns a folder with one class, links to the source's files of one role."""
    folder = Path(tempfile.mkdtemp()) / role / "all"
    folder.mkdir(parents=True)
    for path in setup.dataset.files_of(role):
        (folder / path.name).symlink_to(path.resolve())
    return folder.parent


def keras_directory(setup: Setup, target: float) -> Row:
    """The reader against `keras.utils.image_dataset_from_directory` at half size, which for 512 px is its default."""
    return _keras_directory("reader_vs_keras_directory", setup, target, tile_size_px(setup.dataset.manifest) // 2)


def keras_directory_whole(setup: Setup, target: None) -> Row:
    """The same at full size, where both only decode."""
    return _keras_directory("reader_vs_keras_directory_whole", setup, target, tile_size_px(setup.dataset.manifest))


def _keras_directory(name: str, setup: Setup, target: float | None, size: int) -> Row:
    import keras

    # All that the reader gives, and so the files that say which pixels are valid, too.
    parts = [
        keras.utils.image_dataset_from_directory(
            _class_folder(setup, role),
            color_mode=mode,
            image_size=(size, size),
            batch_size=setup.batch_size,
            seed=0,
            verbose=False,
        )
        for role, mode in (("rgb", "rgb"), ("nir", "grayscale"), ("boundary", "grayscale"), ("mask", "grayscale"))
    ]
    what = (
        f"keras.utils.image_dataset_from_directory {keras.__version__} on the source files, zipped RGB, NIR, boundary "
        f"and mask, {setup.num_threads} threads, {size} px float32 as it makes them"
    )
    batches = tf.data.Dataset.zip(*parts).repeat()
    other = Side(what, stream_turn(batches, setup.batch_size, setup.num_batches, num_warm=32))  # Keras buffers many
    return compare(name, reader_side(setup, size), other, setup, target)


def grain(setup: Setup, target: float) -> Row:
    """The reader against Grain on an ArrayRecord file of the same records."""
    import grain.python as grain_python
    import msgspec
    from array_record.python import array_record_module

    path = Path(tempfile.mkdtemp()) / "tiles.array_record"
    writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
    for record in setup.dataset.records(len(setup.dataset.index())):
        writer.write(msgspec.msgpack.encode(record))
    writer.close()

    def decode(record: bytes) -> NDArray[np.uint8]:
        return _decoded(*msgspec.msgpack.decode(record))

    options = grain_python.ReadOptions(num_threads=setup.num_threads, prefetch_buffer_size=2 * setup.batch_size)
    dataset = (
        grain_python.MapDataset.source(grain_python.ArrayRecordDataSource([str(path)]))
        .seed(0)
        .shuffle()
        .repeat()
        .map(decode)
        .to_iter_dataset(options)
        .batch(setup.batch_size)
    )
    what = f"Grain on ArrayRecord, {setup.num_threads} threads: shuffled, decoded by Pillow, batched"
    other = Side(what, stream_turn(dataset, setup.batch_size, setup.num_batches))
    size = tile_size_px(setup.dataset.manifest)
    return compare("reader_vs_grain", reader_side(setup, size), other, setup, target)


class _TorchTiles:
    """A map-style dataset of (rgb, nir) bytes."""

    def __init__(self, paths: list[tuple[Path, Path]]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        rgb, nir = self.paths[number]
        return _decoded(rgb.read_bytes(), nir.read_bytes())


def torch_loader(setup: Setup, target: float) -> Row:
    """The reader against a torch DataLoader on the source's files."""
    import torch
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        _TorchTiles(setup.dataset.files()),  # type: ignore[arg-type]
        batch_size=setup.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=setup.num_threads,
        persistent_workers=True,
        # A fork would inherit TensorFlow's threads.
        multiprocessing_context="spawn",
    )

    def batches() -> Iterator[Any]:
        while True:
            yield from loader

    what = (
        f"torch {torch.__version__} DataLoader, {setup.num_threads} worker processes: files decoded by Pillow, batched"
    )
    other = Side(what, stream_turn(batches(), setup.batch_size, setup.num_batches))
    size = tile_size_px(setup.dataset.manifest)
    return compare("reader_vs_torch", reader_side(setup, size), other, setup, target)


def image_data_generator(setup: Setup, target: float) -> Row:
    """The reader and augmentation on the device against Keras `ImageDataGenerator` with the same augmentation."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    size = tile_size_px(setup.dataset.manifest)
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
        for name, mode in (("rgb", "rgb"), ("nir", "grayscale"))
    ]
    pool = concurrent.futures.ThreadPoolExecutor(setup.num_threads)
    num_full = min(flow.n // setup.batch_size for flow in flows)

    def batches() -> Iterator[Any]:
        # As keras.Model.fit does with `workers`: threads that take batches by number.
        numbers = itertools.cycle(range(num_full))
        pending = [
            pool.submit(lambda n=n: [flow[n] for flow in flows]) for n in itertools.islice(numbers, setup.num_threads)
        ]
        for number in numbers:
            yield pending.pop(0).result()
            pending.append(pool.submit(lambda n=number: [flow[n] for flow in flows]))

    def augmented() -> Iterator[Any]:
        stream = setup.dataset.batches(setup.num_threads, size, setup.batch_size)
        positions = np.arange(setup.batch_size, dtype=np.int32)

        @tf.function  # type: ignore[untyped-decorator]
        def change(image: Any, valid: Any, step: Any) -> Any:
            return augment(image, valid, _AUGMENTATION, 0, step, positions, setup.batch_size)

        for step, batch in enumerate(stream):
            yield change(batch.image, batch.valid, tf.constant(step, tf.int64))  # type: ignore[attr-defined]

    few = max(3, setup.num_batches // 6)  # it takes seconds to a batch
    slow: Turn = stream_turn(batches(), setup.batch_size, few, num_warm=setup.num_threads + 1)
    same = "flips, zoom 0.8-1.2, shear up to 10 degrees, brightness 0.8-1.2"
    return compare(
        "reader_vs_image_data_generator",
        Side(
            f"components.train.reader, {setup.num_threads} threads, and on the device (here: this processor) {same}",
            stream_turn(augmented(), setup.batch_size, setup.num_batches),
        ),
        Side(f"keras ImageDataGenerator on the source files, {setup.num_threads} threads: {same}, float32", slow),
        dataclasses.replace(setup, num_rounds=min(setup.num_rounds, 3)),
        target,
    )
