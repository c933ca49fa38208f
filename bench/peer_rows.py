"""The reader against loaders for large datasets: Grain and torch. Each reads RGB and NIR in its usual way."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.dataset import tile_size_px
from bench.decode_rows import reader_side
from bench.pairs import Row, Side
from bench.run_settings import Setup
from bench.sides import compare
from components.measuring.turns import stream_turn


def _decoded(rgb: bytes, nir: bytes) -> NDArray[np.uint8]:
    """Decodes a tile with Pillow to uint8 [S, S, 4], as users of torch and Grain do."""
    bands = np.asarray(Image.open(io.BytesIO(rgb)))
    return np.dstack([bands, np.asarray(Image.open(io.BytesIO(nir)))])


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
