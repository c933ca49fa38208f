"""Figures of what an experiment shows besides its verdicts: lines with a band, and matrices as heat maps."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from components import report
from components.contracts.study import Curve, Matrix
from components.study.results.page_data import in_language
from components.study.results.page_words import PageWords
from components.study.results.spanish_names import shown_name

_COLOURS = ("#1b7f4d", "#a2542c", "#2b6cb0", "#8a6d1f", "#6b4c9a", "#5a665f")
_MARKERS = "osD^v*"
_LEAST_APART = 0.11  # of the axis, between two labels of five digits


def figure_blocks(curves: Sequence[Curve], matrices: Sequence[Matrix], words: PageWords) -> Iterable[str]:
    """Yields a heading, a figure for all lines of one name, and a table of their numbers; then the heat maps."""
    by_figure: dict[str, list[Curve]] = {}
    for curve in curves:
        by_figure.setdefault(curve.figure, []).append(curve)
    for lines in by_figure.values():
        yield report.subheading(in_language(lines[0].title, words.language))
        yield report.figure(draw_curves(lines, words), _caption(lines, words))
    for matrix in matrices:
        yield report.subheading(in_language(matrix.title, words.language), shown_name(matrix.unit, words.language))
        yield report.heat_table(_corner(matrix, words), _heat_rows(matrix, words))


def draw_curves(lines: Sequence[Curve], words: PageWords) -> Any:
    """Returns the figure, 5 inches wide, with a shaded band where a line has one."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    plot = Figure(figsize=(5, 3.1), layout="constrained")
    axes = plot.subplots()
    for line, colour, marker in zip(lines, itertools.cycle(_COLOURS), itertools.cycle(_MARKERS), strict=False):
        axes.plot(
            line.x,
            line.y,
            marker=marker,
            markersize=4,
            color=colour,
            linewidth=1.6,
            label=shown_name(line.name, words.language),
        )
        if line.low and line.high:
            axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value, words)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value, "g")))
    axes.set_xlabel(in_language(lines[0].x_title, words.language), fontsize=9)
    axes.set_ylabel(in_language(lines[0].y_title, words.language), fontsize=9)
    axes.tick_params(labelsize=8)
    if len({*lines[0].x}) <= 8 and all(line.x == lines[0].x for line in lines):
        axes.set_xticks(_apart(lines[0].x))
    axes.legend(fontsize=8, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return plot


def _apart(places: Sequence[float]) -> list[float]:
    """Returns those of the places, from the largest down, whose labels do not run into each other."""
    least, kept = _LEAST_APART * (max(places) - min(places)), list[float]()
    for place in sorted(places, reverse=True):
        if not kept or kept[-1] - place >= least:
            kept.append(place)
    return kept[::-1]


def _short(value: float, words: PageWords) -> str:
    return words.number(value, "g" if value == round(value) else ".4g")


def _caption(lines: Sequence[Curve], words: PageWords) -> str:
    """Returns the numbers, which a reader may want and a figure does not give."""
    said = [
        f"{shown_name(line.name, words.language)}: "
        + "; ".join(f"{_short(x, words)}: {words.number(y, '.4g')}" for x, y in points)
        for line in lines
        if len(points := list(zip(line.x, line.y, strict=True))) <= 8
    ]
    return ". ".join([words.band] * any(line.low for line in lines) + said)


def _corner(matrix: Matrix, words: PageWords) -> tuple[str, ...]:
    rows, columns = in_language(matrix.row_title, words.language), in_language(matrix.column_title, words.language)
    return (f"{rows} / {columns}", *(shown_name(name, words.language) for name in matrix.columns))


def _heat_rows(matrix: Matrix, words: PageWords) -> list[tuple[str, list[tuple[str, float]]]]:
    """Returns the cells, shaded from the least (white) to the greatest (dark); what was not run has no number."""
    known = [value for row in matrix.values for value in row if value is not None]
    low, span = min(known, default=0.0), (max(known, default=0.0) - min(known, default=0.0)) or 1.0

    def cell(value: float | None) -> tuple[str, float]:
        if value is None:
            return "–", 0.0
        return words.number(value), (value - low) / span if matrix.has_one_unit else 0.0

    rows = zip(matrix.rows, matrix.values, strict=True)
    return [(shown_name(name, words.language), [cell(value) for value in row]) for name, row in rows]
