"""Runs a model on the records of a split, batch by batch."""

import bisect
import dataclasses
import itertools
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components import storage
from components.contracts import Manifest, TrainingReceipt
from components.errors import DataError
from components.progress import Progress, StepLog
from components.records import jpeg, mask_png, tfrecords, tile_record
from components.storage import whole_folder

# (rgb, nir, valid_mask) encoded, string [N] each -> probabilities float32 [N, C]
Answer: TypeAlias = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Any]

_BATCH_SIZE = 32  # tiles; 34 MB when decoded at 512 px with 4 bands


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A split's tiles and a model's probabilities for them.

    Attributes:
      tile_ids, field_ids: [N].
      labels: [N, C].
      probabilities: In 0..1, finite, [N, C].
      positions: Position of the tile's record in the split, counted over its shards in order, [N].
    """

    tile_ids: NDArray[np.str_]
    field_ids: NDArray[np.str_]
    labels: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    positions: NDArray[np.int64]

    @property
    def unit_ids(self) -> NDArray[np.str_]:
        """The unit whose tiles err together: the tile's field, or the tile itself if its field is unknown."""
        return np.where(self.field_ids == "", self.tile_ids, self.field_ids)

    def for_label_mode(self, label_mode: str) -> "Predictions":
        """Returns the tiles that count: in single-label mode, as in training, only those with exactly one class."""
        if label_mode != "single_label":
            return self
        counts = self.labels.sum(axis=1) == 1
        return Predictions(*(getattr(self, field.name)[counts] for field in dataclasses.fields(self)))


def load_saved_model(uri: str) -> Any:
    """Loads a SavedModel from a folder or a bucket.

    Raises:
      DataError: if it is missing or damaged.
    """
    with tempfile.TemporaryDirectory() as temporary:
        if not storage.exists(storage.join(uri, "saved_model.pb")):
            raise DataError(f"no SavedModel at {uri!r}; was it removed after training?")
        folder = whole_folder.download(uri, Path(temporary))
        try:
            return tf.saved_model.load(os.fspath(folder))
        # The error depends on where the damage is: OSError, ValueError, KeyError, DecodeError, or one of TensorFlow's
        # own.
        except Exception as error:
            raise DataError(f"cannot load the SavedModel at {uri!r}: {_first_line(error)}") from error


def trained_model(data_root: str, receipt: TrainingReceipt) -> Answer:
    """Returns the trained model as a function from encoded tiles to probabilities."""
    model = load_saved_model(storage.join(data_root, receipt.model_path))

    # A closure, because a loaded function alone does not keep its model's variables alive.
    def answer(rgb: tf.Tensor, nir: tf.Tensor, valid_mask: tf.Tensor) -> Any:
        return model.predict_encoded(rgb, nir, valid_mask)

    return answer


def predict_split(
    answer: Answer, data_root: str, manifest: Manifest, split: str, log: StepLog, who: str
) -> Predictions:
    """Predicts every record of a split, in the order of its shards.

    Args:
      who: which model this is, for the log and errors, e.g. "the candidate".

    Raises:
      DataError: if a shard is missing or its size is not the manifest's, a record cannot be decoded, or a probability
        is not finite.
    """
    summary = manifest.splits[split]
    uris = [storage.join(data_root, shard.path) for shard in summary.shards]
    for shard, uri in zip(summary.shards, uris, strict=True):
        if (size := storage.size(uri)) != shard.num_bytes:
            raise DataError(f"shard {uri!r} must have {shard.num_bytes:,} bytes, got {size}; run the shard step again")
    num_classes = len(manifest.classes)
    batches = (
        tfrecords.serialized_records(uris)
        .batch(_BATCH_SIZE)
        .map(lambda records: tfrecords.parse(records, num_classes))
        .prefetch(2)
    )
    log.line(f"{who} answers {summary.num_tiles:,} {split} tiles")
    progress = Progress(log, summary.num_tiles)
    tile_ids, field_ids, labels, probabilities = [], [], [], []
    try:
        for batch in batches:
            probabilities.append(answer(batch["rgb"], batch["nir"], batch["valid_mask"]).numpy())
            labels.append(batch["labels"].numpy() > 0.5)
            tile_ids += [name.decode() for name in batch["tile_id"].numpy()]
            field_ids += [name.decode() for name in batch["field_id"].numpy()]
            progress.advance(len(labels[-1]))
    except tf.errors.OpError as error:
        where, why = _failing_place(uris, [shard.num_tiles for shard in summary.shards], len(tile_ids), num_classes)
        raise DataError(
            f"{who} cannot answer the {split} tiles of {where}: {why or _first_line(error)}; "
            "if `agrivision verify` finds it damaged, delete it and run the shard step again"
        ) from error
    if len(tile_ids) != summary.num_tiles:
        raise DataError(f"the {split} shards must hold {summary.num_tiles:,} tiles, got {len(tile_ids):,}")
    predictions = Predictions(
        np.array(tile_ids, np.str_),
        np.array(field_ids, np.str_),
        np.concatenate(labels),
        np.concatenate(probabilities).astype(np.float32),
        np.arange(len(tile_ids)),
    )
    damaged = np.asarray(~np.isfinite(predictions.probabilities).all(axis=1))
    if damaged.any():
        raise DataError(
            f"{who}'s probabilities must be finite, got NaN or infinity for {damaged.sum():,} of {len(damaged):,} "
            f"{split} tiles, first for {predictions.tile_ids[damaged][0]}"
        )
    return predictions


def _failing_place(
    uris: Sequence[str], num_tiles: Sequence[int], num_answered: int, num_classes: int
) -> tuple[str, str]:
    """Returns what a batch failed on, and the reason, empty if unknown.

    That is a shard that cannot be read, the first record of the batch that cannot be decoded, or else the shard where
    the batch begins.
    """
    ends = list(itertools.accumulate(num_tiles))
    first = bisect.bisect_right(ends, num_answered)
    last = bisect.bisect_left(ends, num_answered + _BATCH_SIZE)
    for uri, end, count in list(zip(uris, ends, num_tiles, strict=True))[first : last + 1]:
        before = max(num_answered - (end - count), 0)
        try:
            for index, serialized in enumerate(tfrecords.serialized_records([uri])):
                if index >= before and (why := _why_not(serialized.numpy(), num_classes)):
                    return f"shard {uri!r}, record {index}", why
        except tf.errors.OpError:
            return f"shard {uri!r}", ""
    return f"shard {uris[min(first, len(uris) - 1)]!r}", ""


def _why_not(serialized: bytes, num_classes: int) -> str:
    """Returns why a record cannot be decoded; empty if it can."""
    try:
        record = tile_record.deserialize(serialized, num_classes)
        jpeg.decode(record.rgb, 3)
        if record.nir:
            jpeg.decode(record.nir, 1)
        if record.valid_mask:
            mask_png.packed_mask(record.valid_mask)
    except (jpeg.DamagedImage, ValueError) as error:
        return str(error)
    return ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
