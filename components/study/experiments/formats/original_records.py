"""TFRecords as the original study wrote and read them, rebuilt from its description.

Written: one file, whole, of all JPEGs of the folder, class by class, each with its label. Read: `map` without parallel
calls to float32, prefetch before shuffle, a shuffle of 5,000 decoded tiles, batch. Its augmentation was on the other
side only, so there is none.
"""

from pathlib import Path
from typing import Any

import tensorflow as tf

_NUM_SHUFFLED = 5_000  # decoded tiles in memory; 15.7 GB of its 512 px tiles


def write_original_records(folder: Path, classes: tuple[str, ...], path: Path) -> None:
    """Writes a folder of classes as one TFRecord file."""
    temporary = path.with_name(f".{path.name}.tmp")
    with tf.io.TFRecordWriter(str(temporary)) as writer:
        for label, name in enumerate(classes):
            for image in sorted((folder / name).iterdir()):
                features = {
                    "image_raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.read_bytes()])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    temporary.rename(path)


def read_original_records(path: Path, image_size_px: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Returns batches of float32 [B, S, S, 3] in 0..1 and labels int64 [B], in another order each time."""

    def parsed(serialized: Any) -> tuple[Any, Any]:
        features = tf.io.parse_single_example(
            serialized,
            {"image_raw": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)},
        )
        image = tf.io.decode_jpeg(features["image_raw"], channels=3)
        pixels = tf.cast(image, tf.float32) * (1.0 / 255.0)
        return tf.ensure_shape(pixels, [image_size_px, image_size_px, 3]), features["label"]

    records = tf.data.TFRecordDataset(str(path))
    return (
        records.map(parsed)
        .prefetch(tf.data.AUTOTUNE)
        .shuffle(_NUM_SHUFFLED, seed=seed)
        .batch(batch_size, drop_remainder=True)
    )
