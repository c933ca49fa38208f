"""The sums of a dataset by field, as arrays: about two hundred bytes per field, and no Python object per number."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.agrivision import SPLITS
from components.contracts import FieldSums

_TILES, _PIXELS, _FIRST_BAND = 0, 1, 2  # columns; then the bands' sums, then their squares
_GROWTH = 1.5

Counts = NDArray[np.int64]


class FieldTable:
    """One row for each split, field and year; sums may be added in any order.

    Attributes:
      classes: The class names that rows may have.
      names: The field of each row, [R].
    """

    def __init__(self, classes: Sequence[str], num_bands: int) -> None:
        self.classes = tuple(classes)
        self.names: list[str] = []
        self._class_index = {name: index for index, name in enumerate(classes)}
        self._num_bands = num_bands
        self._groups: dict[tuple[str, int], dict[str, int]] = {}  # by split and year: the row of each field
        self._sums = np.zeros((1024, _FIRST_BAND + 2 * num_bands), np.int64)
        self._pairs = _ClassCounts()

    def __len__(self) -> int:
        return len(self.names)

    def add(self, split: str, rows: Sequence[FieldSums]) -> None:
        """Adds the sums of tiles of a split.

        Raises:
          KeyError: for a class that is not in the class list.
          ValueError: for a row with another number of bands.
        """
        if not rows:
            return
        places = np.array([self._place(split, row.year, row.field_id) for row in rows], np.int64)
        values = [(row.num_tiles, row.valid_pixels, *row.band_sums, *row.band_squares) for row in rows]
        np.add.at(self._sums, places, np.array(values, np.int64))
        pairs = [
            (
                place * len(self.classes) + self._class_index[name],
                row.class_tiles.get(name, 0),
                row.class_pixels.get(name, 0),
            )
            for place, row in zip(places.tolist(), rows, strict=True)
            for name in {**row.class_tiles, **row.class_pixels}
        ]
        if pairs:
            self._pairs.add(np.array(pairs, np.int64))

    def _place(self, split: str, year: int, field_id: str) -> int:
        group = self._groups.setdefault((split, year), {})
        place = group.get(field_id)
        if place is None:
            place = group[field_id] = len(self.names)
            self.names.append(field_id)
            if place == len(self._sums):
                longer = np.zeros((int(place * _GROWTH), self._sums.shape[1]), np.int64)
                longer[:place] = self._sums
                self._sums = longer
        return place

    @property
    def splits(self) -> list[str]:
        """The splits that have a field, in the usual order."""
        return sorted({split for split, _ in self._groups}, key=lambda split: (*SPLITS, split).index(split))

    @property
    def num_tiles(self) -> Counts:
        """Number of tiles by row, [R]."""
        return self._sums[: len(self), _TILES]

    @property
    def valid_pixels(self) -> Counts:
        """Number of valid pixels by row, [R]."""
        return self._sums[: len(self), _PIXELS]

    def band_sums(self, band: int) -> Counts:
        """Returns the sums of the values of one band over the valid pixels, in 0..255, [R]."""
        return self._sums[: len(self), _FIRST_BAND + band]

    def band_squares(self, band: int) -> Counts:
        """Returns the sums of the squares of the values of one band over the valid pixels, [R]."""
        return self._sums[: len(self), _FIRST_BAND + self._num_bands + band]

    def class_tiles(self, name: str) -> Counts:
        """Returns the tiles that have the class, [R]; zeros for a class that is not in the class list."""
        return self._of_class(name)[:, 0]

    def class_pixels(self, name: str) -> Counts:
        """Returns the valid pixels that show the class, [R]; zeros for a class that is not in the class list."""
        return self._of_class(name)[:, 1]

    def _of_class(self, name: str) -> Counts:
        counts = np.zeros((len(self), 2), np.int64)
        if name in self._class_index:
            pairs, of_pairs = self._pairs.summed()
            chosen = pairs % len(self.classes) == self._class_index[name]
            counts[pairs[chosen] // len(self.classes)] = of_pairs[chosen]
        return counts

    def num_classes(self) -> Counts:
        """Returns how many classes each row has, [R]."""
        pairs, counts = self._pairs.summed()
        pairs = pairs[counts[:, 0] > 0]
        return np.bincount(pairs // max(len(self.classes), 1), minlength=len(self)).astype(np.int64)

    def classes_of(self, row: int) -> tuple[dict[str, int], dict[str, int]]:
        """Returns the tiles and the valid pixels of one row by class; each leaves out the classes that have none."""
        pairs, counts = self._pairs.summed()
        start, end = np.searchsorted(pairs, (row * len(self.classes), (row + 1) * len(self.classes)))
        names = [self.classes[pair % len(self.classes)] for pair in pairs[start:end].tolist()]
        tiles, pixels = (
            {name: count for name, count in zip(names, column, strict=True) if count}
            for column in counts[start:end].T.tolist()
        )
        return tiles, pixels

    def years(self) -> Counts:
        """Returns the year of each row, [R]; 0 if the layout does not give it."""
        years = np.zeros(len(self), np.int64)
        for (_, year), group in self._groups.items():
            years[np.fromiter(group.values(), np.int64, len(group))] = year
        return years

    def is_in(self, split: str) -> NDArray[np.bool_]:
        """Returns which rows belong to the split, [R]."""
        chosen = np.zeros(len(self), np.bool_)
        for (other, _), group in self._groups.items():
            if other == split:
                chosen[np.fromiter(group.values(), np.int64, len(group))] = True
        return chosen

    def num_fields(self, split: str | None = None) -> int:
        """Returns how many fields the split or the dataset has; a field flown in two years counts once."""
        groups = [group for (other, _), group in self._groups.items() if split in (None, other)]
        return len(groups[0]) if len(groups) == 1 else len({name for group in groups for name in group})

    def num_names(self, rows: Counts) -> int:
        """Returns how many fields these rows belong to."""
        return len({self.names[row] for row in rows.tolist()})

    def tiles_by_field(self, split: str) -> Counts:
        """Returns how many tiles each field of the split has, in no particular order, [F]."""
        numbers: dict[str, int] = {}
        rows = np.flatnonzero(self.is_in(split))
        fields = [numbers.setdefault(self.names[row], len(numbers)) for row in rows.tolist()]
        return np.bincount(np.array(fields, np.int64), self.num_tiles[rows]).astype(np.int64)

    def in_two_splits(self) -> list[str]:
        """Returns the fields that are in more than one split, sorted."""
        shared: set[str] = set()
        for (split, _), group in self._groups.items():
            others = [other for (other_split, _), other in self._groups.items() if other_split > split]
            shared.update(name for other in others for name in group if name in other)
        return sorted(shared)

    def rows(self) -> Iterator[tuple[str, FieldSums]]:
        """Yields (split, sums) by split, field and year, one at a time."""
        years = self.years()
        for split in self.splits:
            order = np.flatnonzero(self.is_in(split)).tolist()
            order.sort(key=years.__getitem__)
            order.sort(key=self.names.__getitem__)  # is stable, so years stay in order, and makes no object per row
            for row in order:
                tiles, pixels, *bands = self._sums[row].tolist()
                moments = tuple(bands[: self._num_bands]), tuple(bands[self._num_bands :])
                yield split, FieldSums(self.names[row], int(years[row]), tiles, pixels, *self.classes_of(row), *moments)


class _ClassCounts:
    """Tiles and pixels by pair of row and class: a row has few classes of what may be a thousand.

    24 bytes for each pair that has any, and none for the others.
    The number of a pair is row * (number of classes) + class.
    """

    def __init__(self) -> None:
        self._pairs = np.zeros(0, np.int64)  # sorted, unique
        self._counts = np.zeros((0, 2), np.int64)
        self._pending: list[Counts] = []
        self._num_pending = 0

    def add(self, counts: Counts) -> None:
        """Adds rows of (pair, tiles, pixels), [N, 3]."""
        self._pending.append(counts)
        self._num_pending += len(counts)
        if self._num_pending > max(2**16, len(self._pairs)):
            self.summed()

    def summed(self) -> tuple[Counts, Counts]:
        """Returns the pairs, sorted, [P], and their tiles and pixels, [P, 2]."""
        if self._pending:
            pairs = np.concatenate([self._pairs, *(block[:, 0] for block in self._pending)])
            counts = np.concatenate([self._counts, *(block[:, 1:] for block in self._pending)])
            self._pending, self._num_pending = [], 0
            order = np.argsort(pairs, kind="stable")
            pairs, counts = pairs[order], counts[order]
            starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
            self._pairs, self._counts = pairs[starts], np.add.reduceat(counts, starts, axis=0)
        return self._pairs, self._counts
