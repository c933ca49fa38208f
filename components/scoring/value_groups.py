"""Divides tiles into a few groups by a value: about equally many in each, between edges that are readable numbers."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_GROUPS = 5
UNKNOWN = -1
_SMALLEST_SHARE = 0.05  # of the tiles, for a group of its own
# From coarse to fine; the first that keeps the groups apart is taken.
_STEPS = tuple(first * 10.0**power for power in range(0, -5, -1) for first in (1.0, 0.5, 0.2))
_SAMPLE = 1_000_000  # values that edges are taken from


def quantile_groups(values: NDArray[np.float32], most: int = MAX_GROUPS) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Returns the groups' names, [G], and the group of each value, int8 [N], UNKNOWN for NaN.

    Many equal values stay in one group, so there may be fewer groups than `most`, and one if all are about equal.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return (), np.full(len(values), UNKNOWN, np.int8)
    ranked = np.sort(known[:: -(-len(known) // _SAMPLE)])
    edges = _edges(ranked.astype(np.float64), most)
    groups = np.searchsorted(edges, values, side="right").astype(np.int8)
    groups[~np.isfinite(values)] = UNKNOWN
    return _names(edges, float(ranked[-1])), groups


def number_groups(
    numbers: NDArray[np.signedinteger[Any]], most: int = MAX_GROUPS
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Returns the groups of whole numbers, one for each, and one for all that are at least `most` - 1 above the least.

    So 0, 1, 2, 3, and "4 and more".
    """
    if not len(numbers):
        return (), np.zeros(0, np.int8)
    least, largest = int(numbers.min()), int(numbers.max())
    last = min(largest, least + most - 1)
    names = [str(number) for number in range(least, last + 1)]
    if largest > last:
        names[-1] += " and more"
    return tuple(names), (np.minimum(numbers, last) - least).astype(np.int8)


def year_groups(years: NDArray[np.float32], most: int) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Returns the groups of years, one for each of the latest, and one for all before; NaN is UNKNOWN."""
    known = np.unique(years[np.isfinite(years)]).astype(int).tolist()
    if not known:
        return (), np.full(len(years), UNKNOWN, np.int8)
    latest = known[-(most - 1) :] if len(known) > most else known
    names = [str(year) for year in latest]
    if len(latest) < len(known):
        names.insert(0, f"before {latest[0]}")
    offset = len(names) - len(latest)
    groups = (np.searchsorted(latest, years, side="right") - 1 + offset).astype(np.int8)
    groups[~np.isfinite(years)] = UNKNOWN
    return tuple(names), groups


def _edges(ranked: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Returns the lower edges of all groups but the first."""
    quantiles = np.unique(np.quantile(ranked, np.arange(1, most) / most))
    quantiles = quantiles[quantiles > ranked[0]]
    best = np.zeros(0)
    for step in _STEPS:
        edges = np.unique(np.round(np.round(quantiles / step) * step, 6) + 0.0)  # no -0
        edges = edges[(edges > ranked[0]) & (edges <= ranked[-1])]
        shares = np.diff(np.searchsorted(ranked, edges), prepend=0, append=len(ranked)) / len(ranked)
        if (shares >= _SMALLEST_SHARE).all() and len(edges) > len(best):
            best = edges
        if len(best) == len(quantiles):
            break
    return best


def _names(edges: NDArray[np.float64], largest: float) -> tuple[str, ...]:
    texts = [f"{edge:g}" for edge in edges]
    if not texts:
        return ("all",)
    between = [f"{low} to {high}" for low, high in itertools.pairwise(texts)]
    last = texts[-1] if largest <= edges[-1] else f"{texts[-1]} and above"
    return (f"below {texts[0]}", *between, last)
