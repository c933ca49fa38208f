"""What a study's page shows besides verdicts: heat maps and lines."""

import msgspec

from components.contracts.study.numbers import NotComparable, is_comparable
from components.contracts.study.texts import StudyName, Words


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number for each pair of two things, e.g. of delay and learning rate: what the page shows as a heat map.

    Attributes:
      row_title, column_title: What rows and columns are.
      rows, columns: Their names, in order.
      values: By row and column; None for what was not run here.
      has_one_unit: Whether all numbers are of one unit. Only then do shades say anything.
      is_measured: Whether a clock or the system told them, so that the next run has others.
    """

    name: StudyName
    title: Words
    unit: str
    row_title: Words
    column_title: Words
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    has_one_unit: bool = True
    is_measured: bool = False

    def __post_init__(self) -> None:
        if len(self.values) != len(self.rows) or any(len(row) != len(self.columns) for row in self.values):
            raise ValueError(f"matrix {self.name} must have {len(self.rows)} rows of {len(self.columns)} numbers")
        if not all(value is None or is_comparable(value) for row in self.values for value in row):
            raise NotComparable(f"matrix {self.name} must have numbers that can be compared, got {self.values}")


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Numbers that follow another one, e.g. loss by epoch, with a band if there is one.

    Attributes:
      name: Of the line.
      figure: Lines of one name are shown in one figure, which `title` describes.
      x, y: The line's points.
      low, high: Ends of the band at each point; empty without one.
      is_measured: Whether a clock or the system told y, low and high, so that the next run has others.
    """

    name: str
    figure: StudyName
    title: Words
    x_title: Words
    y_title: Words
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    is_measured: bool = False

    def __post_init__(self) -> None:
        if any(len(ends) not in {0, len(self.x)} for ends in (self.low, self.high)) or len(self.y) != len(self.x):
            raise ValueError(f"curve {self.name} must have as many numbers as points, {len(self.x)}")
        if not all(map(is_comparable, (*self.x, *self.y, *self.low, *self.high))):
            raise NotComparable(f"curve {self.name} must have numbers that can be compared")
