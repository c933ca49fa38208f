"""Reads tiles within a graph, which the chief builds and a worker of the parameter server strategy runs."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.records import tfrecords
from components.records.record_file import HEADER
from components.train.input.cover import cover_of_planes
from components.train.input.reader import Reader


@dataclasses.dataclass(frozen=True)
class Places:
    """Locations of tiles: all that a worker needs to read them.

    Attributes:
      records: Their numbers in the split, to name one that cannot be read, int64 [n].
      uris: Their shards, string [n].
      offsets: Start of each record in its shard, at its header, in bytes, int64 [n].
    """

    records: NDArray[np.int64]
    uris: NDArray[np.str_]
    offsets: NDArray[np.int64]


class PlaceReader(Reader):
    """A reader whose batches are the Places of whole global batches; the receiver reads and decodes the tiles."""

    def batches(
        self, plan: NDArray[np.int64], first_step: int = 0, at_once: Callable[[], int] = lambda: 1
    ) -> Iterator[tuple[int, Any]]:
        """Yields (step, Places) for the rows of `plan`, int64 [steps, n], from `first_step` on."""
        for step in range(first_step, len(plan)):
            records = plan[step]
            uris = np.array([self.index.uri(int(record)) for record in records])
            yield step, Places(records, uris, self.index.offset[records].astype(np.int64) - HEADER.size)


def read_tiles(
    uris: Any,
    offsets: Any,
    num_tiles: int,
    bands: Sequence[str],
    num_classes: int,
    image_size_px: int,
    ratio: int,
    label_masks: bool = False,
) -> tuple[Any, Any, Any]:
    """Reads and decodes tiles, with exactly the same pixels as Reader.

    Args:
      uris, offsets: As in Places, [num_tiles].
      num_tiles: Number of tiles n.
      bands, num_classes, image_size_px, ratio, label_masks: As in Reader.

    Returns:
      image: uint8 [n, S, S, B].
      cover: uint8 [n, S, S, 1], the valid mask; with label_masks [n, S, S, P], see cover.py.
      labels: float32 [n, C].

    Raises:
      tf.errors.DataLossError, tf.errors.InvalidArgumentError: When run, if a record is damaged.
    """

    def record_at(uri: Any, offset: Any) -> Any:
        # TFRecordDataset cannot start in the middle of a file; the operation behind it can.
        rest = tf.raw_ops.TFRecordDatasetV2(
            filenames=uri[tf.newaxis], compression_type="", buffer_size=0, byte_offsets=offset[tf.newaxis]
        )
        return tf.data.experimental.from_variant(rest, tf.TensorSpec([], tf.string)).take(1)

    def decode(serialized: Any) -> Any:
        record = tfrecords.parse(serialized, num_classes, label_masks)
        image, valid = tfrecords.decode_image(
            record["rgb"], record["nir"], record["valid_mask"], bands, image_size_px, ratio
        )
        if not label_masks:
            return image, valid, record["labels"]
        planes = tfrecords.decode_label_masks(record["label_masks"], record["rgb"], image_size_px)
        cover = cover_of_planes(tf.concat([tf.transpose(valid, [2, 0, 1]), planes], axis=0)[tf.newaxis])[0]
        return image, cover, record["labels"]

    records = tf.data.Dataset.from_tensor_slices((uris, offsets)).flat_map(record_at)
    tiles = records.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    image, cover, labels = tiles.batch(num_tiles, drop_remainder=True).get_single_element()
    return image, cover, labels
