"""Sums over tiles. All are integers, so that they are exact, and the same in whatever order they are added."""

import collections
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.contracts import FieldSums, Inventory, ShardReceipt

if TYPE_CHECKING:  # it loads TensorFlow, which merging and comparing sums do without
    from components.shard.tile_check import CheckedTile

_VALUES = np.arange(256)


class _FieldCounts:
    """The sums of one FieldSums, built up tile by tile."""

    def __init__(self, num_classes: int, num_bands: int) -> None:
        self._num_tiles = 0
        self._valid_pixels = 0
        self._class_tiles = np.zeros(num_classes, np.int64)
        self._moments = np.zeros((2, num_bands), np.int64)  # sums of values and of squares

    def add(self, tile: "CheckedTile", present: np.ndarray[Any, Any]) -> None:
        self._num_tiles += 1
        self._valid_pixels += tile.valid_pixels
        self._class_tiles += present
        self._moments += [tile.band_histogram @ _VALUES, tile.band_histogram @ _VALUES**2]

    def sums(self, field_id: str, year: int, classes: Sequence[str]) -> FieldSums:
        counts = zip(classes, self._class_tiles.tolist(), strict=True)
        sums, squares = self._moments.tolist()
        class_tiles = {name: count for name, count in counts if count}
        return FieldSums(field_id, year, self._num_tiles, self._valid_pixels, class_tiles, tuple(sums), tuple(squares))


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

    def add(self, tile: "CheckedTile") -> None:
        present = np.asarray(tile.record.labels, np.int64)  # [C]
        self.num_tiles += 1
        key = (tile.record.field_id, tile.year)
        if key not in self._fields:
            self._fields[key] = _FieldCounts(len(self._classes), len(self._band_histogram))
        self._fields[key].add(tile, present)
        self._cooccurrence += np.outer(present, present)
        self._class_pixels += tile.class_pixels
        self._valid_pixels += tile.valid_pixels
        self._total_pixels += tile.width_px * tile.height_px
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
        }


def _rows(matrix: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def _total(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Adds up equally shaped counts, int64."""
    total: np.ndarray[Any, Any] = np.asarray(values, np.int64).sum(axis=0)
    return total


def summed(receipts: Sequence[ShardReceipt]) -> dict[str, Any]:
    """Returns the sums over at least one receipt by SplitSummary's field names, all but `shards`."""
    histogram = _rows(_total([receipt.band_histogram for receipt in receipts]))
    moments = [mean_and_std(band) for band in histogram]
    return {
        "num_tiles": sum(receipt.num_tiles for receipt in receipts),
        "num_fields": len({field.field_id for receipt in receipts for field in receipt.fields}),
        "fields": summed_fields(field for receipt in receipts for field in receipt.fields),
        "num_single_label": sum(receipt.num_single_label for receipt in receipts),
        "class_tiles": tuple(_total([receipt.class_tiles for receipt in receipts]).tolist()),
        "class_pixels": tuple(_total([receipt.class_pixels for receipt in receipts]).tolist()),
        "cooccurrence": _rows(_total([receipt.cooccurrence for receipt in receipts])),
        "valid_pixels": sum(receipt.valid_pixels for receipt in receipts),
        "band_mean": tuple(mean for mean, _ in moments),
        "band_std": tuple(std for _, std in moments),
        "band_histogram": histogram,
    }


def mean_and_std(histogram: Sequence[int]) -> tuple[float, float]:
    """Returns mean and standard deviation, in 0..1, of pixels counted by value, [256]; exact sums, one division."""
    count = sum(histogram)
    first = sum(value * pixels for value, pixels in enumerate(histogram))
    second = sum(value * value * pixels for value, pixels in enumerate(histogram))
    return first / count / 255, math.sqrt(count * second - first * first) / count / 255


def summed_sizes(receipts: Iterable[ShardReceipt]) -> dict[str, int]:
    """Returns the number of tiles by size, over all receipts."""
    sizes: dict[str, int] = {}
    for receipt in receipts:
        for size, num_tiles in receipt.tile_sizes.items():
            sizes[size] = sizes.get(size, 0) + num_tiles
    return sizes


def summed_fields(rows: Iterable[FieldSums]) -> tuple[FieldSums, ...]:
    """Returns one row for each field and year, in that order."""
    groups: dict[tuple[str, int], list[FieldSums]] = {}
    for row in rows:
        groups.setdefault((row.field_id, row.year), []).append(row)
    return tuple(group[0] if len(group) == 1 else _field_total(*key, group) for key, group in sorted(groups.items()))


def _field_total(field_id: str, year: int, rows: Sequence[FieldSums]) -> FieldSums:
    class_tiles: collections.Counter[str] = collections.Counter()
    for row in rows:
        class_tiles.update(row.class_tiles)
    return FieldSums(
        field_id,
        year,
        sum(row.num_tiles for row in rows),
        sum(row.valid_pixels for row in rows),
        dict(class_tiles),
        tuple(sum(values) for values in zip(*(row.band_sums for row in rows), strict=True)),
        tuple(sum(values) for values in zip(*(row.band_squares for row in rows), strict=True)),
    )
