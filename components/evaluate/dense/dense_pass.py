"""What the passes over val and test learn of a dense head's maps, while the model answers for the tiles.

One call gives both, so the network runs once. Of val a sample of pixels is kept, of test the sums by field, and one
number a tile; the maps themselves are gone when the next batch comes. The work is done in a thread of its own, because
the model's process waits for nobody else.
"""

import array
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.evaluate.dense.truth import truth_of
from components.evaluate.reading.follower import Follower
from components.evaluate.reading.model_column import Answer, encoded_images
from components.evaluate.reading.units import MOST_UNITS, group_of
from components.records.tile_record import Record
from components.saved_model.checked_answers import tiles_with_maps
from components.scoring.dense.pixel_classes import pixel_classes, values_at
from components.scoring.dense.pixel_counts import count_pixels
from components.scoring.dense.place_thresholds import MOST_OF_TILE, SAMPLE_PIXELS, choose_place_thresholds

KEPT_TILES = 4  # whose maps push compares with those of the model to serve

See: TypeAlias = Callable[[Record, NDArray[np.float32]], None]
# (image files by argument, num_classes) -> (answers for N tiles [N, C], logits of places [N, h, w, C])
AskBoth: TypeAlias = Callable[[Mapping[str, Sequence[bytes]], int], tuple[NDArray[np.float32], NDArray[np.float32]]]


class DensePass:
    """Asks a dense head about the tiles of one split, and shows each tile's maps to `see`, in order."""

    def __init__(self, ask: AskBoth, num_classes: int, image_size_px: int, see: See) -> None:
        self._ask, self._num_classes, self._see = ask, num_classes, see
        self._at_once = tiles_with_maps(image_size_px, num_classes)
        self._follower: Follower[tuple[Sequence[Record], NDArray[np.float32]]] = Follower(self._watch)

    @property
    def answer(self) -> Answer:
        """The function from tiles to answers, for the pass."""
        return self._answer

    def finish(self) -> None:
        """Waits until all maps were seen.

        Raises:
          DataError: if a tile's masks cannot be read.
        """
        self._follower.finish()
        self._check()

    def close(self) -> None:
        """Ends the work, wherever it is."""
        self._follower.stop()

    def _answer(self, batch: Sequence[Record]) -> NDArray[np.float32]:
        answers = []
        for start in range(0, len(batch), self._at_once):
            part = batch[start : start + self._at_once]
            of_tiles, maps = self._ask(encoded_images(part), self._num_classes)
            answers.append(of_tiles)
            self._check()
            self._follower.give((part, maps))
        return np.concatenate(answers)

    def _watch(self, given: tuple[Sequence[Record], NDArray[np.float32]]) -> None:
        for record, maps in zip(*given, strict=True):
            self._see(record, maps)

    def _check(self) -> None:
        if self._follower.error:
            raise self._follower.error


class ValSample:
    """Some valid pixels of the val tiles, spread evenly over them; at most SAMPLE_PIXELS, and one for each tile.

    Args:
      num_tiles: Of the split.
    """

    def __init__(self, num_tiles: int, num_classes: int) -> None:
        self._num_classes = num_classes
        self._of_tile = min(MOST_OF_TILE, max(1, SAMPLE_PIXELS // max(num_tiles, 1)))
        self._logits: list[NDArray[np.float32]] = []
        self._labels: list[NDArray[np.uint16]] = []
        self._classes_of_field: dict[str, int] = {}  # as bits

    def see(self, record: Record, maps: NDArray[np.float32]) -> None:
        """Takes the pixels of one tile."""
        truth = truth_of(record, self._num_classes)
        generator = np.random.default_rng(len(self._logits))
        rows, columns = (generator.integers(size, size=self._of_tile) for size in (truth.height, truth.width))
        valid = _bits(truth.valid, rows, columns).astype(np.bool_)
        rows, columns = rows[valid], columns[valid]
        self._logits.append(values_at(maps, rows, columns, truth.height, truth.width))
        labels = np.zeros(len(rows), np.uint16)
        field = record.field_id or record.tile_id
        for c, plane in truth.labels.items():
            labels |= _bits(plane, rows, columns).astype(np.uint16) << np.uint16(c)
            self._classes_of_field[field] = self._classes_of_field.get(field, 0) | 1 << c
        self._labels.append(labels)

    def thresholds(self) -> tuple[float, ...]:
        """Returns the probability above which a place shows each class, [C]."""
        logits = np.concatenate([np.zeros((0, self._num_classes), np.float32), *self._logits])
        labels = np.concatenate([np.zeros(0, np.uint16), *self._labels])
        of_fields = self._classes_of_field.values()
        return choose_place_thresholds(
            logits, labels, [sum(of >> c & 1 for of in of_fields) for c in range(self._num_classes)]
        )


def _bits(plane: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = plane[rows, columns >> 3] >> (7 - (columns & 7)).astype(np.uint8) & np.uint8(1)
    return found


@dataclasses.dataclass
class PixelSums:
    """The counts of the test tiles, by field.

    Attributes:
      thresholds: Probabilities above which a place shows a class, [C].
      by_unit: The sum of the tiles' M, int64 [C + 1, C + 1], by field, or by the tile of unknown field; by group of
        fields where there are more than MOST_UNITS, see units.py.
      shares_right: The share of each tile's valid pixels that are right, in order; NaN without a valid pixel.
      num_pixels: The valid pixels.
      kept: The maps of the first tiles.
    """

    thresholds: tuple[float, ...]
    most_units: int = MOST_UNITS
    by_unit: dict[str, NDArray[np.int64]] = dataclasses.field(default_factory=dict)
    shares_right: "array.array[float]" = dataclasses.field(default_factory=lambda: array.array("f"))
    num_pixels: int = 0
    kept: list[NDArray[np.float32]] = dataclasses.field(default_factory=list)
    _are_groups: bool = False

    def see(self, record: Record, maps: NDArray[np.float32]) -> None:
        """Counts one tile."""
        num_classes = len(self.thresholds)
        truth = truth_of(record, num_classes)
        predicted = pixel_classes(maps, self.thresholds, truth.height, truth.width)
        counts = count_pixels(predicted, truth.labels, truth.valid, num_classes)
        self._add(record.field_id or record.tile_id, counts.confusion())
        self.shares_right.append(counts.num_right / counts.num_pixels if counts.num_pixels else float("nan"))
        self.num_pixels += counts.num_pixels
        if len(self.kept) < KEPT_TILES:
            self.kept.append(maps.copy())

    def _add(self, unit: str, confusion: NDArray[np.int64]) -> None:
        name = group_of(unit, self.most_units) if self._are_groups else unit
        if name in self.by_unit:
            self.by_unit[name] += confusion
            return
        self.by_unit[name] = confusion
        if len(self.by_unit) > self.most_units and not self._are_groups:
            singles, self.by_unit, self._are_groups = self.by_unit, {}, True
            for each, of_unit in singles.items():
                self._add(each, of_unit)
