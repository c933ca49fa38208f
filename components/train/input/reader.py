"""The input of one worker: reads records by plan and decodes them straight into batches, as uint8 for the device.

It uses threads instead of tf.data: each decodes whole tiles into their places in the batch, so pixels are written once.
The decoder releases Python's global lock; the work under the lock takes a twentieth of the time.
"""

import concurrent.futures
import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components import storage
from components.agrivision import RGB_BANDS
from components.errors import DataError
from components.records import tfrecords
from components.records.jpeg import DamagedImage
from components.records.tile_decoder import decode_tile
from components.records.tile_record import deserialize
from components.train.input.batch_memory import BatchMemory, as_tensor
from components.train.input.cover import cover_of_bits
from components.train.input.order import NO_RECORD
from components.train.input.shard_index import ShardIndex
from components.train.input.xla import compiled

_BATCHES_AHEAD = 1  # prefetched batches; more would leave the CPU cache before they are used
_MOST_TILES_PER_TASK = 8  # enough to pay for the handover; fewer if a batch has fewer tiles per thread
_REMOTE_THREADS = 32  # a bucket answers in tens of milliseconds, during which the CPU is free


@dataclasses.dataclass(frozen=True)
class Batch:
    """This worker's part of a global batch.

    Attributes:
      parts: RGB, uint8 [n, S, S, 3], and NIR if there is one, uint8 [n, S, S, 1].
      valid_bits: uint8 [n, S, S / 8 rounded up], one bit per pixel, highest bit first, 1 if the pixel counts.
      labels: float32 [n, C].
      weights: float32 [n], 0 for a place without a tile.
      mask_bits: As valid_bits, for each class, uint8 [n, C, S, S / 8 rounded up], 1 if the pixel has it; None if the
        reader reads no masks of classes.
    """

    parts: tuple[tf.Tensor, ...]
    valid_bits: tf.Tensor
    labels: tf.Tensor
    weights: NDArray[np.float32]
    mask_bits: tf.Tensor | None = None

    @property
    def tensors(self) -> tuple[tf.Tensor, ...]:
        """All tensors but the weights: the labels, the bits of the masks, and the parts of the image."""
        bits = (self.valid_bits,) if self.mask_bits is None else (self.valid_bits, self.mask_bits)
        return (self.labels, *bits, *self.parts)

    @classmethod
    def of_tensors(cls, tensors: Sequence[tf.Tensor], label_masks: bool) -> "Batch":
        """Returns the batch that has these `tensors`, in which every place has a tile; `label_masks` as of Reader."""
        labels, valid_bits, *rest = tensors
        mask_bits, parts = (rest[0], rest[1:]) if label_masks else (None, rest)
        return cls(tuple(parts), valid_bits, labels, np.ones(labels.shape[0], np.float32), mask_bits)

    @property
    def image(self) -> tf.Tensor:
        """All bands in one tensor, uint8 [n, S, S, B], joined on the device, because it would cost the reader time."""
        return compiled(_joined)(*self.parts) if len(self.parts) > 1 else self.parts[0]

    @property
    def valid(self) -> tf.Tensor:
        """Mask of the pixels that count, uint8 [n, S, S, 1], 1 or 0, unpacked on the device."""
        return compiled(tfrecords.unpack_bits)(self.valid_bits)

    @property
    def num_bytes(self) -> int:
        """Bytes of `tensors`."""
        return sum(math.prod(tensor.shape) * int(tensor.dtype.size) for tensor in self.tensors)

    @property
    def cover(self) -> tf.Tensor:
        """Valid mask and, if they were read, class masks, uint8 [n, S, S, P], see cover.py."""
        return self.valid if self.mask_bits is None else compiled(cover_of_bits)(self.valid_bits, self.mask_bits)


def _joined(rgb: tf.Tensor, nir: tf.Tensor) -> tf.Tensor:
    if tf.config.list_physical_devices("GPU"):
        return tfrecords.join_bands([rgb, nir])
    # On a CPU, joining moves one byte at a time; a sum processes many at once, in an eighth of the time.
    unchanged = [[0, 0]] * 3
    return tf.pad(rgb, [*unchanged, [0, nir.shape[-1]]]) + tf.pad(nir, [*unchanged, [rgb.shape[-1], 0]])


@dataclasses.dataclass(frozen=True)
class _Arrays:
    """A batch while it is being filled."""

    parts: tuple[NDArray[np.uint8], ...]
    valid_bits: NDArray[np.uint8]
    labels: NDArray[np.float32]
    mask_bits: NDArray[np.uint8] | None


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads one split.

    Attributes:
      index: Locations of the split's records.
      bands: The dataset's bands that the model reads.
      num_classes: Number of classes C.
      image_size_px: Side S of the decoded tiles.
      ratio: From tfrecords.decoder_ratio.
      num_threads: Threads that read and decode.
      label_masks: Whether to read the masks of the classes as well.
    """

    index: ShardIndex
    bands: tuple[str, ...]
    num_classes: int
    image_size_px: int
    ratio: int
    num_threads: int = 1
    label_masks: bool = False

    def batches(
        self, plan: NDArray[np.int64], first_step: int = 0, at_once: Callable[[], int] = lambda: 1
    ) -> Iterator[tuple[int, Batch]]:
        """Yields (step, batch) for the rows of `plan`, int64 [steps, n], from `first_step` on.

        Nothing before `first_step` is read or decoded.

        Args:
          at_once: Returns how many batches the caller takes together. As many are read ahead, so that reading does not
            stand still while the caller works on them.

        Raises:
          DataError: If a record is damaged or its shard is gone; names the shard.
        """
        steps = iter(range(first_step, len(plan)))
        memory = BatchMemory()
        pending: deque[tuple[int, _Arrays, list[concurrent.futures.Future[None]]]] = deque()
        decoders = concurrent.futures.ThreadPoolExecutor(self.num_threads, "decode")
        is_remote = any(storage.is_remote(uri) for uri in self.index.uris)
        fetchers = concurrent.futures.ThreadPoolExecutor(_REMOTE_THREADS, "fetch") if is_remote else None
        ahead = _BATCHES_AHEAD if not is_remote else max(_BATCHES_AHEAD, _REMOTE_THREADS // plan.shape[1])
        try:
            while True:
                while len(pending) <= max(ahead, at_once()) and (step := next(steps, None)) is not None:
                    pending.append((step, *self._start(plan[step], memory, decoders, fetchers)))
                if not pending:
                    return
                step, arrays, tasks = pending.popleft()
                for task in tasks:
                    task.result()
                yield step, _as_batch(arrays, plan[step])
        finally:
            for pool in (decoders, fetchers):
                if pool is not None:
                    pool.shutdown(cancel_futures=True)

    def decode(self, serialized: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
        """Decodes one serialized record to image uint8 [S, S, B], valid uint8 [S, S, 1], labels float32 [C].

        Raises:
          DamagedImage: If an image is damaged.
          ValueError: If it is not a tile's record.
        """
        arrays = self._empty(1, BatchMemory())
        self._decode_into(serialized, arrays, 0)
        valid = np.unpackbits(arrays.valid_bits[0], axis=1, count=self.image_size_px)[..., np.newaxis]
        return np.concatenate([part[0] for part in arrays.parts], axis=-1), valid, arrays.labels[0]

    def tile_ids(self, records: NDArray[np.int64]) -> list[str]:
        """Returns the tile names of these records.

        Raises:
          DataError: If a record is damaged; names the shard.
        """
        return [deserialize(self.index.read(int(record)), self.num_classes).tile_id for record in records]

    def require_readable(self, records: NDArray[np.int64]) -> None:
        """Reads and decodes records one after the other, to find the one that made a worker fail.

        Raises:
          DataError: If one is damaged; names the shard, and the record if it cannot be decoded.
        """
        for number in map(int, records):
            try:
                self.decode(self.index.read(number))
            except (DamagedImage, ValueError) as error:
                raise self._undecodable(number, error) from error

    def _undecodable(self, number: int, error: Exception) -> DataError:
        where = f"record {number} of the split, in shard {self.index.uri(number)!r}"
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        return DataError(f"{where}, cannot be decoded: {reason}; run the shard step again")

    def _start(
        self,
        records: NDArray[np.int64],
        memory: BatchMemory,
        decoders: concurrent.futures.Executor,
        fetchers: concurrent.futures.Executor | None,
    ) -> tuple[_Arrays, list[concurrent.futures.Future[None]]]:
        """Starts filling a batch; its arrays are complete when all tasks are done."""
        arrays = self._empty(len(records), memory)
        # A place without a tile holds record 0, with weight 0.
        numbers = [max(int(record), 0) for record in records]
        reads: list[Callable[[], bytes]] = [lambda number=number: self.index.read(number) for number in numbers]  # type: ignore[misc]
        if fetchers is not None:
            reads = [fetchers.submit(read).result for read in reads]

        tiles_per_task = max(1, min(_MOST_TILES_PER_TASK, len(numbers) // self.num_threads))

        def fill(start: int) -> None:
            for place in range(start, min(start + tiles_per_task, len(numbers))):
                try:
                    self._decode_into(reads[place](), arrays, place)
                except FileNotFoundError as error:
                    raise DataError(
                        f"shard {self.index.uri(numbers[place])!r} is gone; run the shard step again"
                    ) from error
                except (DamagedImage, ValueError) as error:
                    raise self._undecodable(numbers[place], error) from error

        return arrays, [decoders.submit(fill, start) for start in range(0, len(numbers), tiles_per_task)]

    def _empty(self, num_tiles: int, memory: BatchMemory) -> _Arrays:
        side = self.image_size_px
        widths = (len(RGB_BANDS), 1) if len(self.bands) > len(RGB_BANDS) else (len(RGB_BANDS),)
        return _Arrays(
            parts=tuple(memory.array((num_tiles, side, side, width)) for width in widths),
            valid_bits=memory.array((num_tiles, side, -(-side // 8))),
            labels=memory.array((num_tiles, 4 * self.num_classes)).view(np.float32),
            mask_bits=memory.array((num_tiles, self.num_classes, side, -(-side // 8))) if self.label_masks else None,
        )

    def _decode_into(self, serialized: bytes, arrays: _Arrays, place: int) -> None:
        record = deserialize(serialized, self.num_classes)
        arrays.labels[place] = record.labels
        mask_bits = None if arrays.mask_bits is None else arrays.mask_bits[place]
        decode_tile(record, self.ratio, [part[place] for part in arrays.parts], arrays.valid_bits[place], mask_bits)


def _as_batch(arrays: _Arrays, records: NDArray[np.int64]) -> Batch:
    return Batch(
        parts=tuple(as_tensor(part) for part in arrays.parts),
        valid_bits=as_tensor(arrays.valid_bits),
        labels=as_tensor(arrays.labels),
        weights=(records != NO_RECORD).astype(np.float32),
        mask_bits=None if arrays.mask_bits is None else as_tensor(arrays.mask_bits),
    )
