"""A dataset's sums by field as arrays, for the comparison with another dataset."""

import numpy as np
from numpy.typing import NDArray

from components.contracts import Manifest
from components.dataset.field_table import FieldTable

Array = NDArray[np.float64]
_MAX_VALUE = 255


class FieldArrays:
    """The sums of a dataset by field, each float64 [F].

    Attributes:
      manifest, table: The sources of the sums.
      num_fields: F; a field with tiles in two years or splits is one field.
      tiles, pixels: Tiles and valid pixels.
    """

    def __init__(self, manifest: Manifest, table: FieldTable) -> None:
        self.manifest, self.table = manifest, table
        numbers: dict[str, int] = {}
        places = (numbers.setdefault(name, len(numbers)) for name in table.names)
        self._field_of_row = np.fromiter(places, np.int64, len(table))
        self.num_fields = len(numbers)
        self.tiles = self._by_field(table.num_tiles)
        self.pixels = self._by_field(table.valid_pixels)

    @property
    def size(self) -> str:
        """The size in words, e.g. "600 tiles of 40 fields"."""
        return f"{int(self.tiles.sum()):,} tiles of {self.num_fields:,} fields"

    def _by_field(self, values: NDArray[np.int64]) -> Array:
        return np.bincount(self._field_of_row, values, self.num_fields).astype(np.float64)

    def tiles_of(self, name: str) -> Array:
        """Returns the tiles that have the class, by field."""
        return self._by_field(self.table.class_tiles(name))

    def sums(self, band: str) -> Array:
        """Returns the sums of the band's values, in 0..1, by field."""
        return self._by_field(self.table.band_sums(self.manifest.bands.index(band))) / _MAX_VALUE

    def mean(self, band: str) -> float:
        """Returns the mean of all valid pixels, in 0..1."""
        return float(self.sums(band).sum() / self.pixels.sum())

    def spread(self, band: str, centre: float) -> Array:
        """Returns the sums of the squared distances from `centre`, by field; values and `centre` are in 0..1."""
        squares = self._by_field(self.table.band_squares(self.manifest.bands.index(band))) / _MAX_VALUE**2
        return squares - 2 * centre * self.sums(band) + centre**2 * self.pixels

    def histogram(self, band: str) -> list[int]:
        """Returns the number of valid pixels of all splits by value, [256]."""
        index = self.manifest.bands.index(band)
        splits = (split.band_histogram[index] for split in self.manifest.splits.values())
        return [sum(values) for values in zip(*splits, strict=True)]
