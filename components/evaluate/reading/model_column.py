"""What one model says of the tiles of a split, batch by batch, written to its column."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.errors import DataError
from components.evaluate.reading.columns import ColumnWriter
from components.evaluate.reading.follower import Follower
from components.records.tile_record import Record
from components.saved_model.asking import AskedModel, CannotAnswer

# N tiles -> numbers, float32 [N, C]
Answer: TypeAlias = Callable[[Sequence[Record]], NDArray[np.float32]]

_IMAGES = ("rgb", "nir", "valid_mask")


@dataclasses.dataclass(frozen=True)
class TileBatch:
    """Some tiles of one shard.

    Attributes:
      records: At least one.
      shard_uri: Where they are.
    """

    records: Sequence[Record]
    shard_uri: str


@dataclasses.dataclass(frozen=True)
class Answerer:
    """A model to ask.

    Attributes:
      who: Which model it is, for the log and errors, e.g. "the candidate".
      what: What it answers, "logits" or "probabilities".
      is_needed: Whether the pass fails if the model does; otherwise that is a note.
    """

    who: str
    what: str
    answer: Answer
    is_needed: bool


def probabilities_of(model: AskedModel, function: str, num_classes: int) -> Answer:
    """Returns a signature of a served model as a function from tiles to probabilities."""

    def answer(batch: Sequence[Record]) -> NDArray[np.float32]:
        return model.probabilities(function, encoded_images(batch), num_classes)

    return answer


def logits_of(model: AskedModel, num_classes: int) -> Answer:
    """Returns an exported training as a function from tiles to logits."""

    def answer(batch: Sequence[Record]) -> NDArray[np.float32]:
        return model.logits(encoded_images(batch), num_classes)

    return answer


def encoded_images(batch: Sequence[Record]) -> dict[str, list[bytes]]:
    """Returns the image files of tiles by the name of the argument that takes them."""
    return {name: [getattr(record, name) for record in batch] for name in _IMAGES}


class ModelColumn:
    """Asks a model in a thread of its own, and writes what it says."""

    def __init__(
        self, asked: Answerer, split: str, path: Path, num_rows: int, num_classes: int, data_root: str
    ) -> None:
        self.asked = asked
        self._split, self._data_root = split, data_root
        self._num_damaged, self._first_damaged = 0, ""
        self._writer = ColumnWriter(path, num_rows, num_classes, np.float32)
        self.follower = Follower(self._work)

    def check(self) -> None:
        """Raises what ended the work of a model that is needed; see finish."""
        if self.asked.is_needed and self.follower.error:
            raise self.follower.error

    def finish(self) -> NDArray[np.float32]:
        """Waits for the last answer; returns the column.

        Raises:
          DataError: if the model refuses a tile, breaks down, or says what is not finite.
        """
        self.follower.finish()
        if self.follower.error:
            raise self.follower.error
        if self._num_damaged:
            raise DataError(
                f"{self.asked.who}'s {self.asked.what} must be finite, got NaN or infinity for "
                f"{self._num_damaged:,} of {self._writer.num_rows:,} {self._split} tiles, first for "
                f"{self._first_damaged}"
            )
        return self._writer.finish()

    def close(self) -> None:
        """Ends the work, wherever it is."""
        self.follower.stop()
        self._writer.__exit__(None, None, None)

    def _work(self, batch: TileBatch) -> None:
        try:
            answers = self.asked.answer(batch.records)
        except CannotAnswer as error:
            tile, uri = self._refused(batch.records), batch.shard_uri
            raise DataError(
                f"{self.asked.who} cannot answer the {self._split} tile {tile!r} of shard {uri!r}: {error}; if "
                f"`agrivision verify` finds the shard damaged, {storage.delete_it(self._data_root, uri)} and run the "
                "shard step again"
            ) from error
        damaged = np.flatnonzero(~np.isfinite(answers).all(axis=1))
        if len(damaged):
            self._num_damaged += len(damaged)
            self._first_damaged = self._first_damaged or batch.records[int(damaged[0])].tile_id
        self._writer.add(answers)

    def _refused(self, records: Sequence[Record]) -> str:
        """Returns the first tile that the model refuses by itself, or of the batch if it takes each."""
        for record in records:
            try:
                self.asked.answer([record])
            except CannotAnswer:
                return record.tile_id
        return records[0].tile_id
