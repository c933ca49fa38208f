"""Runs a model on the records of a split, batch by batch."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components import storage, words
from components.contracts import Manifest
from components.errors import DataError
from components.progress import Progress, StepLog
from components.records.shard_records import records_of
from components.records.tile_record import Record
from components.saved_model.asking import AskedModel, CannotAnswer

# N tiles -> probabilities float32 [N, C]
Answer: TypeAlias = Callable[[Sequence[Record]], NDArray[np.float32]]

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


def answer_of(model: AskedModel, function: str, num_classes: int) -> Answer:
    """Returns a function of a model as a function from tiles to probabilities."""

    def answer(batch: Sequence[Record]) -> NDArray[np.float32]:
        images = {name: [getattr(record, name) for record in batch] for name in ("rgb", "nir", "valid_mask")}
        return model.probabilities(function, images, num_classes)

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
    for shard in summary.shards:
        uri = storage.join(data_root, shard.path)
        if (size := storage.size(uri)) != shard.num_bytes:
            raise DataError(f"shard {uri!r} must have {shard.num_bytes:,} bytes, got {size}; run the shard step again")
    num_classes = len(manifest.classes)
    log.line(f"{who} answers {summary.num_tiles:,} {split} {words.unit(manifest.layout)}s")
    progress = Progress(log, summary.num_tiles, f"{words.unit(manifest.layout)}s")
    tile_ids, field_ids, labels, probabilities = [], [], [], []
    for shard in summary.shards:
        records = records_of(data_root, shard, num_classes)
        while batch := list(itertools.islice(records, _BATCH_SIZE)):
            try:
                probabilities.append(answer(batch))
            except CannotAnswer as error:
                tile = _refused(answer, batch)
                uri = storage.join(data_root, shard.path)
                raise DataError(
                    f"{who} cannot answer the {split} tile {tile!r} of shard {uri!r}: {error}; if `agrivision verify` "
                    f"finds the shard damaged, {storage.delete_it(data_root, uri)} and run the shard step again"
                ) from error
            labels.append(np.array([record.labels for record in batch]) > 0.5)
            tile_ids += [record.tile_id for record in batch]
            field_ids += [record.field_id for record in batch]
            progress.advance(len(batch))
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


def _refused(answer: Answer, batch: Sequence[Record]) -> str:
    """Returns the first tile that a model refuses by itself, or of the batch if it takes each."""
    for record in batch:
        try:
            answer([record])
        except CannotAnswer:
            return record.tile_id
    return batch[0].tile_id
