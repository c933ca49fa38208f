"""Trains for one epoch under a limit: `python -m components.study.experiments.memory.memory_program SPEC`.

Its network is one convolution and one dense layer, because what is asked is whether the input fits. Its last line is
what it has to say; it ends with OUT_OF_MEMORY if it got less memory than it asked for.
"""

import dataclasses
import math
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from components.measuring.peak_memory import own_peak_bytes
from components.records import jpeg
from components.study.experiments.memory.memory_spec import (
    BATCH_SIZE,
    NUM_CORES,
    OUT_OF_MEMORY,
    TILE_SIZE_PX,
    MemorySpec,
    MemoryTold,
)
from components.study.experiments.prepared_tiles import SEED, PreparedTiles
from components.train.input.order import epoch_order, train_plan

_SHAPE = (TILE_SIZE_PX, TILE_SIZE_PX, 3)
_Batches = Iterator[tuple[Any, Any]]


def run_memory_program(spec_path: Path) -> int:
    """Trains as the spec says, and returns the exit code."""
    spec = msgspec.json.decode(spec_path.read_bytes(), type=MemorySpec)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:NUM_CORES])
    if spec.data_limit_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (spec.data_limit_bytes, spec.data_limit_bytes))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported
    try:
        import tensorflow as tf
    except MemoryError:
        return OUT_OF_MEMORY
    try:
        print(msgspec.json.encode(_train(spec)).decode(), flush=True)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        print(f"out of memory: {str(error).splitlines()[:1]}", file=sys.stderr, flush=True)
        return OUT_OF_MEMORY
    return 0


def _train(spec: MemorySpec) -> MemoryTold:
    import tensorflow as tf

    from components.study.experiments.memory.tiny_step import make_tiny_step

    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(NUM_CORES)
    tf.config.threading.set_inter_op_parallelism_threads(NUM_CORES)
    tiles = PreparedTiles(Path(spec.tiles_root))
    step = make_tiny_step(len(tiles.manifest.classes))
    losses = [float(step(tf.constant(images), tf.constant(labels))) for images, labels in _WAYS[spec.way](tiles, spec)]
    if not all(map(math.isfinite, losses)):
        raise ValueError(f"losses must be finite, got {losses}")
    return MemoryTold(num_updates=len(losses), first_loss=losses[0], last_loss=losses[-1], peak_bytes=own_peak_bytes())


def _reader(tiles: PreparedTiles, spec: MemorySpec) -> _Batches:
    from components.train.input.reader import Reader

    index = tiles.index()
    repeated = dataclasses.replace(
        index,
        shard=np.resize(index.shard, spec.num_tiles),
        offset=np.resize(index.offset, spec.num_tiles),
        length=np.resize(index.length, spec.num_tiles),
        label_bits=np.resize(index.label_bits, (spec.num_tiles, index.label_bits.shape[1])),
    )
    manifest = tiles.manifest
    reader = Reader(repeated, manifest.bands, len(manifest.classes), TILE_SIZE_PX, ratio=1, num_threads=NUM_CORES)
    for _, batch in reader.batches(train_plan(spec.num_tiles, BATCH_SIZE, 0, 1, SEED, 0)):
        yield batch.image, np.argmax(batch.labels.numpy(), axis=1)


def _generator(tiles: PreparedTiles, spec: MemorySpec) -> _Batches:
    decode, labels = _decoder(tiles)
    order = epoch_order(spec.num_tiles, SEED, 0)
    for start in range(0, spec.num_tiles - BATCH_SIZE + 1, BATCH_SIZE):
        numbers = order[start : start + BATCH_SIZE] % len(labels)
        yield np.stack([decode(int(number)) for number in numbers]), labels[numbers]


def _load_everything(tiles: PreparedTiles, spec: MemorySpec) -> _Batches:
    decode, labels = _decoder(tiles)
    everything = np.empty((spec.num_tiles, *_SHAPE), np.float32)
    for number in range(spec.num_tiles):
        everything[number] = decode(number % len(labels))
    order = epoch_order(spec.num_tiles, SEED, 0)
    for start in range(0, spec.num_tiles - BATCH_SIZE + 1, BATCH_SIZE):
        numbers = order[start : start + BATCH_SIZE]
        yield everything[numbers], labels[numbers % len(labels)]


def _decoder(tiles: PreparedTiles) -> tuple[Callable[[int], Any], Any]:
    """Returns what decodes the JPEG of a tile to float32 in 0..255, and the labels."""
    placed = tiles.tiles

    def decode(number: int) -> Any:
        return jpeg.decode((tiles.folder / placed[number].path).read_bytes(), 3).astype(np.float32)

    return decode, np.array([tile.label for tile in placed], np.int64)


_WAYS: dict[str, Callable[[PreparedTiles, MemorySpec], _Batches]] = {
    "reader": _reader,
    "generator": _generator,
    "load_everything": _load_everything,
}


if __name__ == "__main__":
    code = run_memory_program(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # at the limit, an orderly end may need memory that is not there
