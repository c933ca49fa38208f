"""Keeps the largest regions of a map: written to a temporary file when they are found, and read back in order.

How many regions there are is known at the end only. So each region that may be among the largest is written at once,
and what is kept of it in memory is its rank and its place in the file. Whenever twice as many as wanted are kept, the
smaller half is forgotten, and from then on no region is written that would not be among the others.
"""

import dataclasses
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


class Rank(NamedTuple):
    """What regions are ordered by, in the file: by class, "yes" before "not sure", the largest first."""

    class_number: int
    answer: int
    minus_area: float
    first: int


class _Place(NamedTuple):
    rank: Rank
    offset: int
    length: int


@dataclasses.dataclass
class RegionSpool:
    """The largest regions of a map.

    Attributes:
      file: A temporary file, empty at first.
      most: How many regions to keep.
      least_area: Smaller regions need not be added.
    """

    file: BinaryIO
    most: int
    least_area: float = 0.0

    def __post_init__(self) -> None:
        self._places: list[_Place] = []

    def add(self, rank: Rank, content: bytes) -> None:
        """Keeps a region, at least until there are too many that are larger."""
        self._places.append(_Place(rank, self.file.tell(), len(content)))
        self.file.write(content)
        if len(self._places) >= 2 * self.most:
            self._forget()

    def _forget(self) -> None:
        self._places.sort(key=lambda place: (place.rank.minus_area, place.rank))
        del self._places[self.most :]
        self.least_area = -self._places[-1].rank.minus_area if self._places else 0.0

    def finish(self) -> list[Rank]:
        """Returns the ranks of the regions that stay, in order; no more can be added."""
        self._forget()
        self._places.sort()
        return [place.rank for place in self._places]

    def contents(self) -> Iterator[bytes]:
        """Yields the regions that stay, in order."""
        for _, offset, length in self._places:
            self.file.seek(offset)
            yield self.file.read(length)
