"""A heat map: a number for each pair of two things, with the best rate of each delay at a glance."""

from typing import Any

from components.contracts.study import Matrix
from components.study.results.page_words import PageWords

_COLOURS = "YlGn"
_EMPTY, _DARK, _LIGHT = "#eef1ef", "#1c2420", "#ffffff"
_ROW_INCHES = 0.3
_LONGEST_ROW, _LONGEST_COLUMN = 24, 12  # characters, beyond which names would push the map off its figure


def draw_heat_map(matrix: Matrix, words: PageWords) -> Any:
    """Returns the figure, 5 inches wide; each cell has its number, and a dash if it was not run here.

    Names of rows and columns must be our own words, since figures have no other script.
    """
    import numpy as np
    from matplotlib.figure import Figure

    values = np.array([[np.nan if value is None else value for value in row] for row in matrix.values])
    plot = Figure(figsize=(5, 1.2 + _ROW_INCHES * len(matrix.rows)), layout="constrained")
    axes = plot.subplots()
    axes.set_facecolor(_EMPTY)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if values.size:
        axes.imshow(np.ma.masked_invalid(values), cmap=_COLOURS, vmin=low, vmax=high, aspect="auto")
    for place, row in enumerate(matrix.values):
        for column, value in enumerate(row):
            is_dark = value is not None and high > low and (value - low) / (high - low) > 0.6
            text = "–" if value is None else words.number(value, ".3g")
            axes.text(column, place, text, ha="center", va="center", fontsize=7, color=_LIGHT if is_dark else _DARK)
    slanted = max(map(len, matrix.columns), default=0) > _LONGEST_COLUMN
    axes.set_xticks(
        range(len(matrix.columns)),
        matrix.columns,
        fontsize=7,
        rotation=25 if slanted else 0,
        ha="right" if slanted else "center",
    )
    axes.set_yticks(range(len(matrix.rows)), [name[:_LONGEST_ROW] for name in matrix.rows], fontsize=7)
    column_title, row_title = (
        title.spanish if words.language == "spanish" else title.english
        for title in (matrix.column_title, matrix.row_title)
    )
    axes.set_xlabel(column_title, fontsize=8)
    axes.set_ylabel(row_title, fontsize=8)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return plot
