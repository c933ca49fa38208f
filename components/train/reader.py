"""The input of one worker: serialized records by plan, decoded as late as possible, uint8 to the device."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components import tfrecords
from components.errors import DataError
from components.train.order import NO_RECORD
from components.train.shard_index import ShardIndex

_PREFETCH_BATCHES = 2  # of decoded tiles; a batch of 32 tiles of 512 px and 4 bands is 40 MB


@dataclasses.dataclass(frozen=True)
class Batch:
    """This worker's part of a global batch.

    Attributes:
      parts: RGB, uint8 [n, S, S, 3], and where there is NIR, uint8 [n, S, S, 1].
      valid: uint8 [n, S, S, 1], 1 where the pixel counts.
      labels: float32 [n, C].
      weights: float32 [n], 0 for a place that holds no tile.
    """

    parts: tuple[Any, ...]
    valid: Any
    labels: Any
    weights: NDArray[np.float32]

    @property
    def image(self) -> Any:
        """The bands in one, uint8 [n, S, S, B], joined on the device: a GPU does at once what costs the reader time."""
        return tfrecords.join_parts(self.parts)


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads one split.

    Attributes:
      index: Where its records are.
      bands: The dataset's bands.
      num_classes: C.
      image_size_px: Side S of the decoded tiles.
      ratio: From tfrecords.decoder_ratio.
      num_threads: Threads that read and decode.
    """

    index: ShardIndex
    bands: tuple[str, ...]
    num_classes: int
    image_size_px: int
    ratio: int
    num_threads: int = 1

    def batches(self, plan: NDArray[np.int64], first_step: int = 0) -> Iterator[tuple[int, Batch]]:
        """Yields (step, batch) for the rows of `plan`, int64 [steps, n], from `first_step` on.

        Nothing before `first_step` is read or decoded.

        Raises:
          DataError: for a damaged record; names the shard.
        """
        iterator = iter(self.dataset(plan, first_step))
        for step in range(first_step, len(plan)):
            try:
                parts, valid, labels = next(iterator)
            except tf.errors.OpError as error:
                raise self._damage(plan[step], error) from error
            yield step, Batch(parts, valid, labels, (plan[step] != NO_RECORD).astype(np.float32))

    def dataset(self, plan: NDArray[np.int64], first_step: int = 0) -> tf.data.Dataset:
        """Returns the rows of `plan` as a dataset of (parts, valid, labels), as in Batch."""
        local_batch_size = plan.shape[1]

        def read_row(step: np.int64) -> NDArray[np.object_]:
            return np.array([self.index.read(max(int(record), 0)) for record in plan[step]], np.object_)

        def read(step: Any) -> Any:
            # Not stateful: which bytes come depends on the step alone, so reading ahead in threads stays in order.
            row = tf.numpy_function(read_row, [step], tf.string, stateful=False)
            # Parsed by the row: one by one would take seven times as long.
            return tfrecords.parse(tf.ensure_shape(row, [local_batch_size]), self.num_classes)

        options = tf.data.Options()
        options.threading.private_threadpool_size = self.num_threads
        options.deterministic = True
        return (
            tf.data.Dataset.range(first_step, len(plan))
            .map(read, num_parallel_calls=min(4, self.num_threads))
            .unbatch()
            .map(self._decode_parsed, num_parallel_calls=self.num_threads)
            .batch(local_batch_size, drop_remainder=True)
            .prefetch(_PREFETCH_BATCHES)
            .with_options(options)
        )

    def decode(self, serialized: Any) -> tuple[Any, Any, Any]:
        """Decodes one serialized record, string [], to image uint8 [S, S, B], valid uint8 [S, S, 1], labels [C]."""
        parts, valid, labels = self._decode_parsed(tfrecords.parse(serialized, self.num_classes))
        return tfrecords.join_parts(parts), valid, labels

    def _decode_parsed(self, tile: dict[str, Any]) -> tuple[tuple[Any, ...], Any, Any]:
        parts, valid = tfrecords.decode_parts(
            tile["rgb"], tile["nir"], tile["valid_mask"], self.bands, self.image_size_px, self.ratio
        )
        return parts, valid, tile["labels"]

    def _damage(self, records: NDArray[np.int64], error: Exception) -> DataError:
        """Finds out which record an op failed on: the op itself does not know where its bytes came from."""
        for record in records[records != NO_RECORD].tolist():
            try:
                self.decode(tf.constant(self.index.read(record)))
            except DataError as damage:
                return damage
            except tf.errors.OpError as damage:
                where = f"record {record} of the split, in shard {self.index.uri(record)!r}"
                return DataError(f"{where}, cannot be decoded: {_first_line(damage)}; run the shard step again")
        return DataError(f"reading the shards failed: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "message", error)).strip().splitlines() or [type(error).__name__])[0][:300]
