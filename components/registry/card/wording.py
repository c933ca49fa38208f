"""How a card writes numbers and names."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from components.contracts.calibration import Interval
from components.markdown import code

_Value = TypeVar("_Value")

NOTHING = "–"  # nothing was judged or measured


def as_interval(of: Interval | None, form: str = "{}") -> str:
    """Returns an interval, e.g. "0.61 to 0.74", in `form`; empty if there is none."""
    return form.format(f"{of[0]:.2f} to {of[1]:.2f}") if of else ""


def with_interval(value: float, of: Interval | None, is_judged: bool = True) -> str:
    """Returns a score with its interval, or a dash if nothing was judged."""
    return f"{value:.3f}{as_interval(of, ' ({})')}" if is_judged else NOTHING


def duration(seconds: float) -> str:
    """Returns a duration in the unit that people would use."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def listed(names: list[str], most: int = 5) -> str:
    """Returns names as one phrase; beyond `most`, the rest as a number."""
    shown = ", ".join(map(code, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def in_order(of: Mapping[str, _Value], names: Iterable[str]) -> list[tuple[str, _Value]]:
    """Returns the entries in the order of `names`: a document sorts them by name when it is written."""
    return [(name, of[name]) for name in names if name in of]
