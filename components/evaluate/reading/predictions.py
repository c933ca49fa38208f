"""The tiles of a split, what models say of them, and their labels, as columns on disk; see columns.py."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluate.reading.columns import ROWS_AT_ONCE, ColumnWriter, forget
from components.evaluate.reading.tile_names import Names, NameWriter
from components.evaluate.reading.units import MOST_UNITS, group_of, sorted_units


@dataclasses.dataclass(frozen=True)
class SplitColumns:
    """The tiles of a split, or of a part of its shards, that count: in single-label mode those with exactly one class.

    Attributes:
      tile_ids, field_ids: N each.
      labels: bool [N, C].
      positions: Position of the tile's record in the split, counted over its shards in order, int64 [N].
      units: What errs together, in ascending order; see units.py.
      unit_of_tile: The place of the tile's unit in `units`, int32 [N].
      are_groups: Whether the units are groups of fields.
      answers: By model, its finite answers, float32 [N, C]; without one that broke down.
      watched: What else was measured of each tile, float32 [N, K]; K may be 0.
      notes: By model that broke down, why.
    """

    tile_ids: Names
    field_ids: Names
    labels: NDArray[np.bool_]
    positions: NDArray[np.int64]
    units: tuple[str, ...]
    unit_of_tile: NDArray[np.int32]
    are_groups: bool
    answers: Mapping[str, NDArray[np.float32]]
    watched: NDArray[np.float32]
    notes: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.labels)

    def forget(self) -> None:
        """Gives back the memory that was touched of the columns."""
        forget(self.labels, self.positions, self.watched, *self.answers.values())


def join_parts(parts: Sequence[SplitColumns], folder: Path) -> SplitColumns:
    """Returns the columns of all parts of a split, in their order, as one pass over the whole split gives them.

    Args:
      folder: An existing empty folder for the columns.
    """
    num_rows = sum(map(len, parts))
    models = [name for name in parts[0].answers if all(name in part.answers for part in parts)]
    notes: dict[str, str] = {}
    for part in parts:
        notes = {**part.notes, **notes}  # of the first part that has one
    units, unit_of_tile, are_groups = _joined_units(parts)
    return SplitColumns(
        _joined_names([part.tile_ids for part in parts], folder / "tile_ids", num_rows),
        _joined_names([part.field_ids for part in parts], folder / "field_ids", num_rows),
        _joined([part.labels for part in parts], folder / "labels.npy"),
        _joined([part.positions[:, np.newaxis] for part in parts], folder / "positions.npy")[:, 0],
        units,
        unit_of_tile,
        are_groups,
        {name: _joined([part.answers[name] for part in parts], folder / f"{name}.npy") for name in models},
        _joined([part.watched for part in parts], folder / "watched.npy"),
        notes,
    )


def _joined(parts: Sequence[NDArray[Any]], path: Path) -> NDArray[Any]:
    with ColumnWriter(path, sum(map(len, parts)), parts[0].shape[1], parts[0].dtype) as writer:
        for part in parts:
            for first in range(0, len(part), ROWS_AT_ONCE):
                writer.add(part[first : first + ROWS_AT_ONCE])
            forget(part)
        return writer.finish()


def _joined_names(parts: Sequence[Names], path: Path, num_rows: int) -> Names:
    with NameWriter(path, num_rows) as writer:
        for part in parts:
            for first in range(0, len(part), ROWS_AT_ONCE):
                writer.add(part.some(first, first + ROWS_AT_ONCE))
        return writer.finish()


def _joined_units(parts: Sequence[SplitColumns]) -> tuple[tuple[str, ...], NDArray[np.int32], bool]:
    names = [unit for part in parts for unit in part.units]
    firsts = np.cumsum([0, *(len(part.units) for part in parts)])
    numbers = np.concatenate([part.unit_of_tile + first for part, first in zip(parts, firsts[:-1], strict=True)])
    are_groups = any(part.are_groups for part in parts) or len(set(names)) > MOST_UNITS
    if are_groups:
        names = [unit if part.are_groups else group_of(unit) for part in parts for unit in part.units]
    return *sorted_units(names, numbers), are_groups
