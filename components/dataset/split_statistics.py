"""Sums over the shards of a split, and the statistics derived from them. The sums are integers, so they are exact."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.contracts import ShardReceipt


class SplitStatistics:
    """The sums that a SplitSummary holds, built up shard by shard, without the shards and the fields."""

    def __init__(self, num_classes: int, num_bands: int) -> None:
        self.num_tiles = 0
        self._num_single_label = 0
        self._valid_pixels = 0
        self._class_tiles = np.zeros(num_classes, np.int64)
        self._class_pixels = np.zeros(num_classes, np.int64)
        self._cooccurrence = np.zeros((num_classes, num_classes), np.int64)
        self._band_histogram = np.zeros((num_bands, 256), np.int64)

    def add(self, receipt: ShardReceipt) -> None:
        """Adds the sums of one shard."""
        self.num_tiles += receipt.num_tiles
        self._num_single_label += receipt.num_single_label
        self._valid_pixels += receipt.valid_pixels
        self._class_tiles += receipt.class_tiles
        self._class_pixels += receipt.class_pixels
        self._cooccurrence += receipt.cooccurrence
        self._band_histogram += receipt.band_histogram

    def summary_fields(self) -> dict[str, Any]:
        """Returns the sums by SplitSummary's field names; needs at least one tile."""
        histogram = _rows(self._band_histogram)
        moments = [mean_and_std(band) for band in histogram]
        return {
            "num_tiles": self.num_tiles,
            "num_single_label": self._num_single_label,
            "class_tiles": tuple(self._class_tiles.tolist()),
            "class_pixels": tuple(self._class_pixels.tolist()),
            "cooccurrence": _rows(self._cooccurrence),
            "valid_pixels": self._valid_pixels,
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


def _rows(matrix: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
