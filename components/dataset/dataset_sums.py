"""Adds up the receipts of a dataset. Each is added and dropped, so memory holds only a few bytes per tile."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.agrivision import SPLITS
from components.contracts import Inventory, Note, Shard, ShardReceipt
from components.dataset.field_table import FieldTable
from components.dataset.first_sorted import FirstSorted, Rejections
from components.dataset.picture_digests import DIGEST_BYTES, PictureDigests
from components.errors import DataError
from components.records.record_table import num_without_class, row_bytes


class DatasetSums:
    """The sums over the receipts added so far.

    Attributes:
      splits: Statistics by split.
      shards: Shards that have a file, by split, in the order of the plan.
      num_tiles: Good tiles of every shard, by split and index of the shard.
      tile_sizes: Number of tiles by size "<width>x<height>".
      num_16_bit: Tiles with an image of 16 bits.
      fields: The sums by field.
      digests: Digests of the pictures, in the order of the plan.
      records: Rows of the table of records, by split, in the order of the plan.
      rejections, notes: Their number and the first few; there may be as many as tiles.
      first_shard: Path of the first shard that has the class, by class.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._classes = inventory.classes
        num_classes, num_bands = len(inventory.classes), len(inventory.bands)
        self.splits = {split: SplitStatistics(num_classes, num_bands) for split in SPLITS}
        self.shards: dict[str, list[Shard]] = {split: [] for split in SPLITS}
        self.num_tiles: dict[tuple[str, int], int] = {}
        self.tile_sizes: dict[str, int] = {}
        self.num_16_bit = 0
        self.fields = FieldTable(inventory.classes, num_bands)
        self.digests = PictureDigests()
        self.records = {split: bytearray() for split in SPLITS}
        self.rejections = Rejections()
        self.rejections.add(inventory.rejected)
        self.notes: FirstSorted[Note] = FirstSorted()
        self.first_shard: dict[str, str] = {}

    def num_background(self, split: str) -> int:
        """Returns how many good tiles of a split have no class."""
        return num_without_class(self.records[split], len(self._classes))

    def add(self, receipt: ShardReceipt) -> None:
        """Adds a receipt; receipts must come in order of split and index.

        Raises:
          DataError: if its digests or rows are not as many as its tiles.
        """
        for what, content, each in (
            ("digests", receipt.picture_digests, DIGEST_BYTES),
            ("records", receipt.records, row_bytes(len(self._classes))),
        ):
            if len(content) != each * receipt.num_tiles:
                raise DataError(
                    f"{receipt.split} shard {receipt.index}: its receipt counts {receipt.num_tiles:,} tiles but has "
                    f"{len(content) // each:,} {what}; run the shard tasks again"
                )
        self.num_tiles[receipt.split, receipt.index] = receipt.num_tiles
        self.rejections.add(receipt.rejected)
        self.notes.add(receipt.notes)
        if not receipt.num_tiles:
            return
        self.splits[receipt.split].add(receipt)
        self.fields.add(receipt.split, receipt.fields)
        self.digests.add(receipt.split, receipt.picture_digests)
        self.records[receipt.split] += receipt.records
        for size, num_tiles in receipt.tile_sizes.items():
            self.tile_sizes[size] = self.tile_sizes.get(size, 0) + num_tiles
        self.num_16_bit += receipt.num_16_bit or 0
        for name, num_tiles in zip(self._classes, receipt.class_tiles, strict=True):
            if num_tiles:
                self.first_shard.setdefault(name, receipt.path)
        self.shards[receipt.split].append(
            Shard(
                path=receipt.path,
                sha256=receipt.sha256,
                num_bytes=receipt.num_bytes,
                num_tiles=receipt.num_tiles,
                num_single_label=receipt.num_single_label,
            )
        )


class SplitStatistics:
    """The sums that a SplitSummary holds, built up shard by shard; without the shards and the fields.

    All are integers, so that they are exact.
    """

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
