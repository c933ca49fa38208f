"""Reads tiles within a graph, which runs in another process than it was made in: in a worker of parameter servers."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.records import tfrecords
from components.records.record_file import HEADER
from components.train.input.reader import Reader


@dataclasses.dataclass(frozen=True)
class Places:
    """Where tiles lie: all that a worker is told of them.

    Attributes:
      uris: Their shards, string [n].
      offsets: Where their records begin, header included, bytes, int64 [n].
    """

    uris: NDArray[np.str_]
    offsets: NDArray[np.int64]


class PlaceReader(Reader):
    """A reader whose batches are Places of whole global batches; whoever gets them reads and decodes."""

    def batches(self, plan: NDArray[np.int64], first_step: int = 0) -> Iterator[tuple[int, Any]]:
        """Yields (step, Places) for the rows of `plan`, int64 [steps, n], from `first_step` on."""
        for step in range(first_step, len(plan)):
            records = plan[step]
            uris = np.array([self.index.uri(int(record)) for record in records])
            yield step, Places(uris, self.index.offset[records].astype(np.int64) - HEADER.size)


def read_tiles(
    uris: Any, offsets: Any, num_tiles: int, bands: Sequence[str], num_classes: int, image_size_px: int, ratio: int
) -> tuple[Any, Any, Any]:
    """Reads and decodes tiles, the very pixels that a Reader gives.

    Args:
      uris, offsets: as in Places, [num_tiles].
      bands, num_classes, image_size_px, ratio: as of a Reader.

    Returns:
      image: uint8 [n, S, S, B].
      valid: uint8 [n, S, S, 1].
      labels: float32 [n, C].

    Raises:
      tf.errors.DataLossError, tf.errors.InvalidArgumentError: when run, for damaged records.
    """

    def record_at(uri: Any, offset: Any) -> Any:
        # No TFRecordDataset can begin within a file; the operation behind it can.
        rest = tf.raw_ops.TFRecordDatasetV2(
            filenames=uri[tf.newaxis], compression_type="", buffer_size=0, byte_offsets=offset[tf.newaxis]
        )
        return tf.data.experimental.from_variant(rest, tf.TensorSpec([], tf.string)).take(1)

    def decode(serialized: Any) -> Any:
        record = tfrecords.parse(serialized, num_classes)
        image, valid = tfrecords.decode_image(
            record["rgb"], record["nir"], record["valid_mask"], bands, image_size_px, ratio
        )
        return image, valid, record["labels"]

    records = tf.data.Dataset.from_tensor_slices((uris, offsets)).flat_map(record_at)
    tiles = records.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    image, valid, labels = tiles.batch(num_tiles, drop_remainder=True).get_single_element()
    return image, valid, labels
