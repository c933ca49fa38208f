"""Sums over tiles. All are integers, so they are exact and do not depend on the order of the tiles."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from components.contracts import FieldSums, Inventory
from components.shard.tile_check import CheckedTile

_POWERS = np.stack([np.arange(256), np.arange(256) ** 2])  # the possible values of a pixel, and their squares


class _FieldCounts:
    """The sums of one FieldSums, built up tile by tile."""

    def __init__(self, num_classes: int, num_bands: int) -> None:
        self._num_tiles = 0
        self._valid_pixels = 0
        self._classes = np.zeros((2, num_classes), np.int64)  # tiles, and valid pixels
        self._moments = np.zeros((2, num_bands), np.int64)  # sums of values and of squares

    def add(self, tile: CheckedTile, present: np.ndarray[Any, Any]) -> None:
        self._num_tiles += 1
        self._valid_pixels += tile.valid_pixels
        self._classes[0] += present
        self._classes[1] += tile.class_pixels
        self._moments += _POWERS @ tile.band_histogram.T

    def sums(self, field_id: str, year: int, classes: Sequence[str]) -> FieldSums:
        tiles, pixels = (
            {name: count for name, count in zip(classes, counts, strict=True) if count}
            for counts in self._classes.tolist()
        )
        sums, squares = map(tuple, self._moments.tolist())
        return FieldSums(field_id, year, self._num_tiles, self._valid_pixels, tiles, pixels, sums, squares)


class ShardStatistics:
    """The sums that a ShardReceipt holds, built up tile by tile."""

    def __init__(self, inventory: Inventory) -> None:
        num_classes, num_bands = len(inventory.classes), len(inventory.bands)
        self.num_tiles = 0
        self._classes = inventory.classes
        self._fields: dict[tuple[str, int], _FieldCounts] = {}  # by field and year
        self._cooccurrence = np.zeros((num_classes, num_classes), np.int64)
        self._class_pixels = np.zeros(num_classes, np.int64)
        self._valid_pixels = 0
        self._total_pixels = 0
        self._num_single_label = 0
        self._band_histogram = np.zeros((num_bands, 256), np.int64)
        self._tile_sizes: dict[str, int] = {}
        self._num_16_bit = 0

    def add(self, tile: CheckedTile) -> None:
        """Adds one tile to the sums."""
        present = np.asarray(tile.record.labels, np.int64)  # [C]
        self.num_tiles += 1
        key = (tile.record.field_id, tile.year)
        if key not in self._fields:
            self._fields[key] = _FieldCounts(len(self._classes), len(self._band_histogram))
        self._fields[key].add(tile, present)
        self._cooccurrence += present[:, np.newaxis] * present
        self._class_pixels += tile.class_pixels
        self._valid_pixels += tile.valid_pixels
        self._total_pixels += tile.width_px * tile.height_px
        self._num_16_bit += tile.is_16_bit
        self._num_single_label += int(present.sum() == 1)
        self._band_histogram += tile.band_histogram
        size = f"{tile.width_px}x{tile.height_px}"
        self._tile_sizes[size] = self._tile_sizes.get(size, 0) + 1

    def receipt_fields(self) -> dict[str, Any]:
        """Returns the statistics by ShardReceipt's field names."""
        return {
            "num_tiles": self.num_tiles,
            "fields": tuple(counts.sums(*key, self._classes) for key, counts in sorted(self._fields.items())),
            "class_tiles": tuple(self._cooccurrence.diagonal().tolist()),
            "class_pixels": tuple(self._class_pixels.tolist()),
            "cooccurrence": _rows(self._cooccurrence),
            "valid_pixels": self._valid_pixels,
            "total_pixels": self._total_pixels,
            "num_single_label": self._num_single_label,
            "band_histogram": _rows(self._band_histogram),
            "tile_sizes": self._tile_sizes,
            "num_16_bit": self._num_16_bit or msgspec.UNSET,
        }


def _rows(matrix: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
