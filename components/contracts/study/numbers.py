"""Which numbers of a study can be compared with each other."""

from typing import Annotated, TypeAlias

import msgspec

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]

_LARGEST = 1e150  # so that a float can hold the ratio of any two numbers


class NotComparable(ValueError):
    """A number that was measured is none, or so large or small that no ratio or difference with it can be made."""


def is_comparable(value: float) -> bool:
    """Tells whether ratios and differences of such numbers are finite."""
    return value == 0 or 1 / _LARGEST <= abs(value) <= _LARGEST
