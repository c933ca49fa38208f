"""The cells of a map in the forms that its files are made of, block by block: steps of probability, and answers."""

import dataclasses
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.maps.grid import MapGrid, MapReader

STEPS = 65_535  # of a probability from 0 to 1
NO, YES, NOT_SURE = 0, 1, 2
# Of a block; a row is never divided. In a map of noise, a run of equal cells takes a hundred times as much as a cell.
_MOST_VALUES, _MOST_CELLS = 8_000_000, 2_000_000

Planes: TypeAlias = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class CellBlock:
    """Some rows of a map.

    Attributes:
      steps: Probabilities in steps of 1 / STEPS, uint16 [C, r, columns].
      answers: NO, YES or NOT_SURE, uint8 [C, r, columns]; NO where not valid.
      valid: bool [r, columns].
    """

    steps: NDArray[np.uint16]
    answers: Planes
    valid: NDArray[np.bool_]


def cell_blocks(reader: MapReader) -> Iterator[CellBlock]:
    """Yields a map from the top to the bottom.

    Raises:
      DataError: if the map does not fit its description, or a part of it is damaged.
    """
    grid = reader.grid
    ask = Thresholds(grid)
    waiting: list[tuple[NDArray[np.uint16], NDArray[np.bool_]]] = []
    num_rows = 0
    for strip in reader.strips():
        shape = strip.valid.shape
        if strip.first_row != num_rows or shape[1:] != (grid.columns,) or num_rows + shape[0] > grid.rows:
            raise DataError(f"the map of {grid.name!r} does not fit its description at row {num_rows:,}; make it again")
        num_rows += shape[0]
        waiting.append((_as_steps(strip.probabilities), strip.valid))
        num_values, num_cells = (sum(each[part].size for each in waiting) for part in (0, 1))
        if num_values + strip.probabilities.size > _MOST_VALUES or num_cells + strip.valid.size > _MOST_CELLS:
            yield _block(ask, waiting)
            waiting = []
    if waiting:
        yield _block(ask, waiting)
    if num_rows != grid.rows:
        raise DataError(f"the map of {grid.name!r} ends after {num_rows:,} of {grid.rows:,} rows; make it again")


def _as_steps(probabilities: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Returns uint16 [C, r, columns] for float32 [r, columns, C]."""
    steps = np.clip(probabilities, 0, 1) * np.float32(STEPS)
    return np.ascontiguousarray(np.moveaxis(np.rint(steps, out=steps).astype(np.uint16), 2, 0))


def _block(ask: "Thresholds", waiting: list[tuple[NDArray[np.uint16], NDArray[np.bool_]]]) -> CellBlock:
    steps = waiting[0][0] if len(waiting) == 1 else np.concatenate([each for each, _ in waiting], axis=1)
    valid = np.concatenate([each for _, each in waiting])
    return CellBlock(steps, ask.answers(steps, valid), valid)


class Thresholds:
    """When a cell shows a class, and when the model is not sure whether it does."""

    def __init__(self, grid: MapGrid) -> None:
        """Takes a model's thresholds and bounds.

        Raises:
          DataError: if it has not as many of them as classes.
        """
        num_classes = len(grid.classes)
        for values in (grid.thresholds, grid.no_below):
            if values is not None and len(values) != num_classes:
                raise DataError(f"model {grid.model_version} has {len(values)} thresholds for {num_classes} classes")
        self._yes = None if grid.thresholds is None else [round(each * STEPS) for each in grid.thresholds]
        # A class with the bound 0 is never ruled out. To mark all of a map as not sure would say nothing.
        self._low = [round(each * STEPS) if each > 0 else None for each in grid.no_below or (0.0,) * num_classes]

    def answers(self, steps: NDArray[np.uint16], valid: NDArray[np.bool_]) -> Planes:
        """Returns the answers of a block, uint8 [C, r, columns]."""
        answers = np.zeros(steps.shape, np.uint8)
        best = None if self._yes is not None else steps.argmax(axis=0)
        for c, (plane, of) in enumerate(zip(answers, steps, strict=True)):
            if (low := self._low[c]) is not None:
                plane[of >= low] = NOT_SURE
            plane[of >= self._yes[c] if self._yes is not None else best == c] = YES
            plane[~valid] = NO
        return answers


def never_ruled_out(grid: MapGrid) -> tuple[str, ...]:
    """Returns the classes of which the model never says no: wherever it does not say yes, it is not sure."""
    return tuple(name for name, low in zip(grid.classes, grid.no_below or (), strict=False) if low == 0)
