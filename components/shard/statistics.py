"""Sums over tiles. All are integers, so that they are exact, and the same in whatever order they are added."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from components.contracts import Inventory, ShardReceipt
from components.shard.tile_check import CheckedTile


class ShardStatistics:
    """The sums that a ShardReceipt holds, built up tile by tile."""

    def __init__(self, inventory: Inventory) -> None:
        num_classes, num_bands = len(inventory.classes), len(inventory.bands)
        self.num_tiles = 0
        self._field_ids: set[str] = set()
        self._cooccurrence = np.zeros((num_classes, num_classes), np.int64)
        self._class_pixels = np.zeros(num_classes, np.int64)
        self._valid_pixels = 0
        self._total_pixels = 0
        self._num_single_label = 0
        self._band_histogram = np.zeros((num_bands, 256), np.int64)
        self._tile_sizes: dict[str, int] = {}

    def add(self, tile: CheckedTile) -> None:
        present = np.asarray(tile.record.labels, np.int64)  # [C]
        self.num_tiles += 1
        self._field_ids.add(tile.record.field_id)
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
            "field_ids": tuple(sorted(self._field_ids)),
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
        "num_fields": len({field_id for receipt in receipts for field_id in receipt.field_ids}),
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
