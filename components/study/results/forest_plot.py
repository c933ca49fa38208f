"""The forest plot: each ratio of times with its interval, and A/A below it."""

import math
from collections.abc import Sequence
from typing import Any

from components.study.results.page_data import ClaimRow
from components.study.results.page_words import PageWords

_DARK, _GREY, _LINE = "#1b7f4d", "#9aa8a0", "#5a665f"
_ROW_INCHES = 0.42


def draw_forest(rows: Sequence[ClaimRow], words: PageWords) -> Any:
    """Returns the figure, 5 inches wide; its names are the claims' ids, which stand in the tables as well."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    plot = Figure(figsize=(5, 0.9 + _ROW_INCHES * len(rows)), layout="constrained")
    axes = plot.subplots()
    axes.set_xscale("log")
    axes.axvline(1, color=_LINE, linewidth=0.8)
    seen = [1.0]
    for place, row in enumerate(rows):
        verdict, bound = row.verdict, row.claim.bound
        for value, interval, offset, colour, marker in (
            (verdict.estimate, verdict.interval, -0.12, _DARK, "o"),
            (verdict.again, verdict.again_interval, 0.2, _GREY, "D"),
        ):
            if value is None:
                continue
            low, high = interval or (value, value)
            axes.plot([low, high], [place + offset] * 2, color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.plot([value], [place + offset], marker, color=colour, markersize=5 if marker == "o" else 3.5)
            seen += [low, high]
        if bound is not None:
            axes.plot([bound] * 2, [place - 0.4, place + 0.4], color=_LINE, linewidth=1, linestyle=":")
            seen.append(bound)
    axes.set_yticks(range(len(rows)), [row.claim.id.replace("_", " ") for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(min(seen) / 1.1, max(seen) * 1.1)
    ticks = _ticks(min(seen) / 1.1, max(seen) * 1.1)
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value, "g")))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(words.slower_of, fontsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return plot


def _ticks(low: float, high: float) -> list[float]:
    """Returns up to nine round numbers between two, and 1 among them."""
    steps = (0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500)
    ticks = [step for step in steps if low <= step <= high]
    apart = math.log(high / low) / 10  # closer ones would overlap
    kept = [1.0]
    for step in sorted(ticks, key=lambda step: abs(math.log(step)) if step != 1 else 0):
        if all(abs(math.log(step / other)) >= apart for other in kept):
            kept.append(step)
    return sorted(kept)
