"""A dataset's sums by field as arrays, to be compared with another's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.contracts import Manifest
from components.errors import DataError

Array = NDArray[np.float64]
_MAX_VALUE = 255


class FieldArrays:
    """The sums of a dataset by field, each float64 [F].

    Attributes:
      num_fields: F; a field with tiles in two years or splits is one field.
      tiles, pixels: Tiles and valid pixels.

    Raises:
      DataError: if the manifest has no sums by field.
    """

    def __init__(self, manifest: Manifest) -> None:
        rows = [row for split in manifest.splits.values() for row in split.fields]
        if not rows:
            raise DataError(
                f"dataset {manifest.sha256[:16]} has no sums by field, as it was made by an earlier version; "
                "run the pipeline again on the same source to have them"
            )
        self._manifest, self._rows = manifest, rows
        names, self._field_of_row = np.unique([row.field_id for row in rows], return_inverse=True)
        self.num_fields = len(names)
        self.tiles = self._by_field([row.num_tiles for row in rows])
        self.pixels = self._by_field([row.valid_pixels for row in rows])

    @property
    def size(self) -> str:
        """Such as "600 tiles of 40 fields"."""
        return f"{int(self.tiles.sum()):,} tiles of {self.num_fields:,} fields"

    def _by_field(self, values: Sequence[float]) -> Array:
        return np.bincount(self._field_of_row, np.asarray(values, np.float64), self.num_fields).astype(np.float64)

    def tiles_of(self, name: str) -> Array:
        """Tiles that have the class."""
        return self._by_field([row.class_tiles.get(name, 0) for row in self._rows])

    def sums(self, band: str) -> Array:
        """Sums of the values, in 0..1."""
        index = self._manifest.bands.index(band)
        return self._by_field([row.band_sums[index] for row in self._rows]) / _MAX_VALUE

    def mean(self, band: str) -> float:
        """Of all valid pixels, in 0..1."""
        return float(self.sums(band).sum() / self.pixels.sum())

    def spread(self, band: str, centre: float) -> Array:
        """Sums of the squared distances from `centre`, both in 0..1."""
        index = self._manifest.bands.index(band)
        squares = self._by_field([row.band_squares[index] for row in self._rows]) / _MAX_VALUE**2
        return squares - 2 * centre * self.sums(band) + centre**2 * self.pixels

    def histogram(self, band: str) -> list[int]:
        """Valid pixels of all splits by value, [256]."""
        index = self._manifest.bands.index(band)
        splits = (split.band_histogram[index] for split in self._manifest.splits.values())
        return [sum(values) for values in zip(*splits, strict=True)]
