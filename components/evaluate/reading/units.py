"""The units of a split, whose tiles err together, by number: a tile's field, or the tile itself if that is unknown.

Sums by unit and their resamples grow with the units, so there are at most 16,384. Of more, the units are dealt to as
many groups, by a hash of the name. That keeps what an interval is made of: units are independent, so the variance of a
sum over groups drawn with replacement has the expected value of that over units, and only varies more from one deal to
another; 16,384 are enough for that not to show. Whether units are grouped follows from how many there are in the whole
split, so it does not matter how workers share out its tiles. The manifest could not tell: it does not count the tiles
of unknown field.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_UNITS = 16_384


class UnitNumbers:
    """Numbers units in the order in which they come, as long as they are few, and knows the group of each."""

    def __init__(self, most: int = MOST_UNITS) -> None:
        self._most = most
        self._numbers: dict[str, tuple[int, int]] = {}
        self.too_many = False

    def of(self, units: Sequence[str]) -> NDArray[np.int32]:
        """Returns the number and the group of each unit, int32 [n, 2]; no number means anything once `too_many`."""
        return np.array([self._of(unit) for unit in units], np.int32).reshape(len(units), 2)

    def _of(self, unit: str) -> tuple[int, int]:
        found = self._numbers.get(unit)
        if found is None:
            found = len(self._numbers), _group(unit, self._most)
            if len(self._numbers) < self._most:
                self._numbers[unit] = found
            else:
                self.too_many = True
        return found

    def names(self) -> tuple[str, ...]:
        """Returns the names by number."""
        return tuple(self._numbers)


def sorted_units(names: Sequence[str], number_of_tile: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Returns the units that tiles have, in ascending order, and the place of each tile's unit there, int32 [N].

    Args:
      names: By number; two numbers may have one name.
      number_of_tile: [N].
    """
    occurs = np.zeros(len(names), np.bool_)
    occurs[number_of_tile] = True
    units = sorted({name for name, has in zip(names, occurs.tolist(), strict=True) if has})
    place = {unit: number for number, unit in enumerate(units)}
    places = np.array([place.get(name, -1) for name in names], np.int32)
    return tuple(units), places[number_of_tile] if len(places) else np.zeros(len(number_of_tile), np.int32)


def group_names(most: int = MOST_UNITS) -> tuple[str, ...]:
    """Returns the names of all groups."""
    return tuple(f"group {number:05}" for number in range(most))


def group_of(unit: str, most: int = MOST_UNITS) -> str:
    """Returns the name of a unit's group."""
    return f"group {_group(unit, most):05}"


def _group(unit: str, most: int) -> int:
    return int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=8).digest(), "big") % most
