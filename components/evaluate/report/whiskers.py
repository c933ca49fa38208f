"""Scores as dots on a line, each with its interval: a row of the page for each, so that names can be in any script."""

import dataclasses
import math
from collections.abc import Sequence

from components import report, words

STYLE = """
table.whiskers { width: 100%; max-width: 760px; table-layout: fixed; }
.whiskers th { width: 30%; font-weight: 400; text-align: left; vertical-align: middle; overflow-wrap: anywhere; }
.whiskers td { vertical-align: middle; padding: .2em 0; }
.whiskers td:last-child { width: 6.6em; }
.whiskers div { position: relative; height: 1.7em; margin: 0 .4em;
  background: linear-gradient(#e6ebe7, #e6ebe7) 0 50% / 100% 1px no-repeat; }
.whiskers div.scale { display: flex; justify-content: space-between; height: auto; background: none; color: #5a665f; }
.whiskers i, .whiskers b, .whiskers u { position: absolute; transform: translateY(-50%); }
.whiskers i { height: 2px; }
.whiskers b { width: 8px; height: 8px; margin-left: -4px; border-radius: 50%; }
.whiskers u { top: 50%; height: 100%; border-left: 1px dashed #5a665f; }
.whiskers th small { display: block; color: #5a665f; }
"""
CANDIDATE_COLOUR, PRODUCTION_COLOUR = "#1b6e4a", "#b35900"  # told apart by colour-blind readers, too


@dataclasses.dataclass(frozen=True)
class Dot:
    """A value with its interval, if there is one."""

    value: float
    interval: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the figure.

    Attributes:
      note: In small type beside the name.
      dot, other: The value, None if there is none, and one to compare it with.
      is_marked: Whether it is set in bold, such as the worst.
    """

    name: str
    dot: Dot | None
    other: Dot | None = None
    note: str = ""
    is_marked: bool = False


def whiskers(rows: Sequence[Row], ends: tuple[float, float] = (0.0, 1.0), *, signed: bool = False) -> str:
    """Returns the figure: names, lines from one end of the scale to the other, and numbers.

    Args:
      ends: Of the scale; what lies beyond is drawn at the end.
      signed: Whether the values are differences, written with their sign; a line then marks 0.
    """
    body = "".join(_row(row, ends, signed) for row in rows)
    low, high = ends
    middle = _number((low + high) / 2, signed, 2)
    scale = f"<span>{_number(low, signed, 2)}</span><span>{middle}</span><span>{_number(high, signed, 2)}</span>"
    return (
        f'<table class="whiskers"><tbody>{body}'
        f'<tr><th></th><td><div class="scale">{scale}</div></td><td></td></tr></tbody></table>'
    )


def around_zero(rows: Sequence[Row]) -> tuple[float, float]:
    """Returns the ends of a scale for differences, at tenths, that has room for all rows and their intervals."""
    places = [place for row in rows if row.dot for place in (row.dot.value, *(row.dot.interval or ()))]
    low, high = min(places, default=0.0), max(places, default=0.0)
    return min(-0.1, math.floor(low * 10) / 10), max(0.1, math.ceil(high * 10) / 10)


def shortened(interval: tuple[float, float] | None, *, signed: bool = False) -> str:
    """Returns an interval for small type, e.g. "0.71–0.79"; empty if there is none."""
    if interval is None:
        return ""
    low, high = (_number(end, signed, 2) for end in interval)
    return f"{low} to {high}" if signed else f"{low}–{high}"


def _row(row: Row, ends: tuple[float, float], signed: bool) -> str:
    dots, number = "", str(words.NOTHING)
    if row.dot is not None:
        dots = _dot(row.dot, ends, CANDIDATE_COLOUR, 30 if row.other else 50)
        small = shortened(row.dot.interval, signed=signed)
        number = _number(row.dot.value, signed, 3) + (f"<small>{small}</small>" if small else "")
    if row.other:
        dots += _dot(row.other, ends, PRODUCTION_COLOUR, 75)
    if signed:
        dots += f'<u style="left:{_place(0.0, ends):.1f}%"></u>'
    name = report.inline(row.name)
    name = f"<strong>{name}</strong>" if row.is_marked else name
    note = f"<small>{report.inline(row.note)}</small>" if row.note else ""
    return f"<tr><th>{name}{note}</th><td><div>{dots}</div></td><td>{number}</td></tr>"


def _dot(dot: Dot, ends: tuple[float, float], colour: str, top: int) -> str:
    line = ""
    if dot.interval is not None:
        left, right = (_place(end, ends) for end in dot.interval)
        line = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%;top:{top}%;background:{colour}"></i>'
    return f'{line}<b style="left:{_place(dot.value, ends):.1f}%;top:{top}%;background:{colour}"></b>'


def _place(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return 100 * min(max((value - low) / (high - low), 0.0), 1.0)


def _number(value: float, signed: bool, decimals: int) -> str:
    rounded = round(value, decimals)
    if not rounded:  # without the sign that a zero can have
        return f"{0:.{decimals}f}"
    return f"{rounded:+.{decimals}f}" if signed else f"{rounded:.{decimals}f}"
