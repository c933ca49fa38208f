"""One pass over a split: every shard is read once, and all models answer the same batch at the same time.

Each model decodes the images in its own process. Decoding once for both would save time only between models of one
image size, and would have to happen here: what an image decoder does with a hostile file is to happen in a process
without secrets, see components/saved_model/confined.py.

The answers go to columns on disk, see columns.py: C * 4 bytes of a tile for each model, C for its labels, and its names
twice. In memory a tile has 4 bytes, the number of its unit. A pass may be over some of the shards only; what several
workers find so, joined, is what one finds: a batch never has tiles of two shards.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components import storage, words
from components.contracts import Manifest, Shard
from components.errors import DataError
from components.evaluate.reading.columns import ColumnWriter
from components.evaluate.reading.follower import Follower
from components.evaluate.reading.model_column import Answerer, ModelColumn, TileBatch
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.reading.tile_names import NameWriter
from components.evaluate.reading.units import UnitNumbers, group_names, sorted_units
from components.progress import Progress, StepLog
from components.records.shard_records import records_of
from components.records.tile_record import Record

_BATCH_SIZE = 32  # tiles; 34 MB when decoded at 512 px with 4 bands
_LONGEST_NAME = 1_024  # characters; arrays of names have the width of the longest, and names of files are shorter


@dataclasses.dataclass(frozen=True)
class Watch:
    """Something else to measure of each tile.

    Attributes:
      measure: n tiles -> float32 [n, K].
      num_columns: K.
    """

    measure: Callable[[Sequence[Record]], NDArray[np.float32]]
    num_columns: int


Models: TypeAlias = Mapping[str, Answerer]


def read_split(
    models: Models,
    data_root: str,
    manifest: Manifest,
    split: str,
    folder: Path,
    log: StepLog,
    *,
    single_label: bool,
    watch: Watch | None = None,
    shards: range | None = None,
) -> SplitColumns:
    """Has the models answer the tiles of a split that count, in the order of its shards.

    Args:
      models: By name.
      folder: An existing empty local folder for the columns.
      single_label: Whether only tiles with exactly one class count, as in training.
      shards: The shards to read, by number; all if None.

    Raises:
      DataError: if a shard is missing or not as the manifest says, or a model that is needed fails.
    """
    numbers = range(len(manifest.splits[split].shards)) if shards is None else shards
    chosen = [manifest.splits[split].shards[number] for number in numbers]
    _check_sizes(data_root, chosen)
    num_rows = sum(shard.num_single_label if single_label else shard.num_tiles for shard in chosen)
    unit = words.unit(manifest.layout)
    log.line(
        f"{' and '.join(asked.who for asked in models.values())} answer{'s' * (len(models) == 1)} "
        f"{num_rows:,} {split} {unit}s"
    )
    progress = Progress(log, num_rows, f"{unit}s")
    num_classes = len(manifest.classes)
    with contextlib.ExitStack() as stack:
        tiles = _Tiles(folder, num_rows, num_classes, stack)
        columns = {
            name: ModelColumn(asked, split, folder / f"{name}.npy", num_rows, num_classes, data_root)
            for name, asked in models.items()
        }
        watched = stack.enter_context(_watching(watch, folder / "watched.npy", num_rows))
        for column in columns.values():
            stack.callback(column.close)
        first = sum(shard.num_tiles for shard in manifest.splits[split].shards[: numbers.start])
        for batch, positions in _batches(data_root, chosen, first, num_classes, single_label):
            if tiles.num_rows + len(positions) > num_rows:
                raise DataError(f"the {split} shards must hold {num_rows:,} tiles that count, and hold more")
            for column in columns.values():
                column.check()
                column.follower.give(batch)
            watched.give(batch)
            tiles.add(batch.records, positions)
            progress.advance(len(batch.records))
        if tiles.num_rows != num_rows:
            raise DataError(f"the {split} shards must hold {num_rows:,} tiles that count, got {tiles.num_rows:,}")
        answers, notes = {}, {}
        for name, column in columns.items():
            try:
                answers[name] = column.finish()
            except DataError as error:  # the tiles could be read, so the model is at fault
                if column.asked.is_needed:
                    raise
                notes[name] = str(error)
        return tiles.finish(answers, watched.finish(), notes)


def _check_sizes(data_root: str, shards: Sequence[Shard]) -> None:
    for shard in shards:
        uri = storage.join(data_root, shard.path)
        if (size := storage.size(uri)) != shard.num_bytes:
            raise DataError(f"shard {uri!r} must have {shard.num_bytes:,} bytes, got {size}; run the shard step again")


def _batches(
    data_root: str, shards: Sequence[Shard], first: int, num_classes: int, single_label: bool
) -> Iterator[tuple[TileBatch, list[int]]]:
    """Yields the tiles that count, with their positions in the split; `first` is that of the first record."""
    for shard in shards:
        uri = storage.join(data_root, shard.path)
        num_records = 0

        def counting(shard: Shard = shard, first: int = first) -> Iterator[tuple[int, Record]]:
            nonlocal num_records
            for number, record in enumerate(records_of(data_root, shard, num_classes)):
                num_records = number + 1
                if not single_label or sum(value > 0.5 for value in record.labels) == 1:
                    yield first + number, record

        tiles = counting()
        while batch := list(itertools.islice(tiles, _BATCH_SIZE)):
            yield TileBatch([record for _, record in batch], uri), [position for position, _ in batch]
        if num_records != shard.num_tiles:
            raise DataError(f"shard {uri!r} must hold {shard.num_tiles:,} tiles, got {num_records:,}")
        first += num_records


class _Tiles:
    """Writes what a pass learns of the tiles themselves."""

    def __init__(self, folder: Path, num_rows: int, num_classes: int, stack: contextlib.ExitStack) -> None:
        self._tile_ids = stack.enter_context(NameWriter(folder / "tile_ids", num_rows))
        self._field_ids = stack.enter_context(NameWriter(folder / "field_ids", num_rows))
        self._labels = stack.enter_context(ColumnWriter(folder / "labels.npy", num_rows, num_classes, np.bool_))
        self._positions = stack.enter_context(ColumnWriter(folder / "positions.npy", num_rows, 1, np.int64))
        self._units = stack.enter_context(ColumnWriter(folder / "units.npy", num_rows, 2, np.int32))
        self._numbers = UnitNumbers()

    @property
    def num_rows(self) -> int:
        return self._labels.num_rows

    def add(self, records: Sequence[Record], positions: Sequence[int]) -> None:
        for record in records:
            if (longest := max(len(record.tile_id), len(record.field_id))) > _LONGEST_NAME:
                raise DataError(
                    f"tile {record.tile_id[:40]!r}… has a name of {longest:,} characters, at most {_LONGEST_NAME:,} "
                    "are read; run the shard step again"
                )
        self._tile_ids.add([record.tile_id for record in records])
        self._field_ids.add([record.field_id for record in records])
        self._labels.add(np.array([record.labels for record in records]) > 0.5)
        self._positions.add(np.array(positions, np.int64)[:, np.newaxis])
        self._units.add(self._numbers.of([record.field_id or record.tile_id for record in records]))

    def finish(
        self, answers: Mapping[str, NDArray[np.float32]], watched: NDArray[np.float32], notes: Mapping[str, str]
    ) -> SplitColumns:
        numbers, are_groups = self._units.finish(), self._numbers.too_many
        names = group_names() if are_groups else self._numbers.names()
        units, unit_of_tile = sorted_units(names, numbers[:, int(are_groups)])
        return SplitColumns(
            self._tile_ids.finish(),
            self._field_ids.finish(),
            self._labels.finish(),
            self._positions.finish()[:, 0],
            units,
            unit_of_tile,
            are_groups,
            answers,
            watched,
            notes,
        )


class _Watching:
    """Measures in a thread of its own; does nothing if there is nothing to measure."""

    def __init__(self, watch: Watch | None, writer: ColumnWriter) -> None:
        self._writer = writer
        self.follower: Follower[TileBatch] | None = None
        if watch is not None:
            measure = watch.measure
            self.follower = Follower(lambda batch: writer.add(measure(batch.records)))

    def give(self, batch: TileBatch) -> None:
        if self.follower is None:
            self._writer.add(np.zeros((len(batch.records), 0), np.float32))
            return
        if self.follower.error:
            raise self.follower.error
        self.follower.give(batch)

    def finish(self) -> NDArray[np.float32]:
        if self.follower is not None:
            self.follower.finish()
            if self.follower.error:
                raise self.follower.error
        return self._writer.finish()


@contextlib.contextmanager
def _watching(watch: Watch | None, path: Path, num_rows: int) -> Iterator[_Watching]:
    with ColumnWriter(path, num_rows, watch.num_columns if watch else 0, np.float32) as writer:
        watching = _Watching(watch, writer)
        try:
            yield watching
        finally:
            if watching.follower is not None:
                watching.follower.stop()
