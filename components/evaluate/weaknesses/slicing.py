"""Divides the test split by year, valid share, classes, brightness and NDVI, and tells how much its fields differ."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from components.contracts import FieldScore, FieldSpread, Manifest, Slices, SliceScore
from components.evaluate.reading.columns import forget, some_rows
from components.evaluate.reading.predictions import SplitColumns
from components.evaluate.weaknesses.tile_attributes import BRIGHTNESS, NDVI, VALID_SHARE, YEAR
from components.f1_score import f1, macro
from components.scoring.field_spread import Spread, furthest, spread_of
from components.scoring.field_sums import Counts
from components.scoring.slices import Dimension, judge_slices, most_evidently_worse
from components.scoring.value_groups import number_groups, quantile_groups, year_groups

_MOST_YEARS = 12
_MOST_FIELDS, _MOST_TILES = 5, 5  # best and worst fields that are listed, and tiles of each


@dataclasses.dataclass(frozen=True)
class JudgedTiles:
    """The test tiles, with the attributes of tile_attributes.py in `watched`, and what the candidate predicts for them.

    Attributes:
      predicted: bool [N, C].
      counts: Its sums by unit, [F, C].
      num_tiles: Of each unit, int64 [F].
    """

    tiles: SplitColumns
    predicted: NDArray[np.bool_]
    counts: Counts
    num_tiles: NDArray[np.int64]


def slices_of(test: JudgedTiles, manifest: Manifest, *, single_label: bool, note_on_years: str = "") -> Slices:
    """Returns the slices, the worst of them, and the spread between fields."""
    dimensions, notes = _dimensions(test.tiles, manifest, single_label)
    labels, predicted = test.tiles.labels, test.predicted
    results = judge_slices(
        dimensions,
        lambda here: (some_rows(labels, here), some_rows(predicted, here)),
        test.tiles.unit_of_tile,
        len(test.tiles.units),
    )
    worst = most_evidently_worse(results)
    compared = [each.difference for each in results if each.difference is not None]
    is_worse = worst is not None and (results[worst].difference or (0, 0, 0))[2] < 0
    scores = tuple(
        SliceScore(
            dimension=each.dimension,
            name=each.name,
            num_tiles=each.num_tiles,
            num_fields=each.num_fields,
            macro_f1=each.macro_f1,
            interval=each.interval,
            difference=each.difference,
            p_value=each.p_value,
            num_classes=each.num_compared,
        )
        for each in results
    )
    fields, note_on_fields = _field_spread(test)
    forget(labels, predicted)
    return Slices(
        scores=scores,
        num_compared=len(compared),
        worst=worst,
        is_worse=is_worse,
        notes=tuple(note for note in (note_on_years, *notes, note_on_fields) if note),
        fields=fields,
    )


def _dimensions(tiles: SplitColumns, manifest: Manifest, single_label: bool) -> tuple[list[Dimension], list[str]]:
    """Returns what the tiles can be divided by, and what is to be said of what they cannot."""
    columns = [("Year", YEAR), ("Valid share", VALID_SHARE), ("Brightness", BRIGHTNESS), ("NDVI", NDVI)]
    found, notes = [], []
    for name, column in columns:
        values = np.ascontiguousarray(tiles.watched[:, column])
        num_unknown = int((~np.isfinite(values)).sum())
        if num_unknown == len(values):
            if column == NDVI and len(manifest.bands) < 4:
                notes.append("NDVI: there is no NIR.")
            continue  # of years, the caller knows why
        groups = year_groups(values, _MOST_YEARS) if column == YEAR else quantile_groups(values)
        found.append(Dimension(name, *groups))
        if num_unknown and column != YEAR:
            notes.append(f"{name}: {num_unknown:,} tiles have none: no valid pixel, or a damaged image.")
    if not single_label:
        numbers = np.zeros(len(tiles), np.int16)
        for c in range(tiles.labels.shape[1]):
            numbers += tiles.labels[:, c]
            forget(tiles.labels)
        found.insert(2, Dimension("Number of classes", *number_groups(numbers)))
    forget(tiles.watched)
    alike = [each.name for each in found if len(each.names) < 2]
    if alike:
        notes.append(f"{', '.join(alike)}: all tiles are about alike.")
    return [each for each in found if len(each.names) > 1], notes


def _field_spread(test: JudgedTiles) -> tuple[FieldSpread | None, str]:
    """Returns how fields differ, or None and what is to be said of that."""
    if test.tiles.are_groups:
        return None, f"Fields: there are more than {len(test.tiles.units):,}, too many to keep apart."
    if test.num_tiles.max(initial=0) < 2:
        return None, ""  # nothing but single tiles
    spread = spread_of(test.counts, test.num_tiles)
    if spread is None:
        return None, "Fields: there is one only, or no error."
    best, worst = (
        tuple(_field_score(test, spread, unit) for unit in units) for units in furthest(spread, _MOST_FIELDS)
    )
    return FieldSpread(
        num_fields=len(test.num_tiles),
        errors_per_tile=spread.errors_per_tile,
        spread=spread.spread,
        times_chance=spread.times_chance,
        best=best,
        worst=worst,
    ), ""


def _field_score(test: JudgedTiles, spread: Spread, unit: int) -> FieldScore:
    rows = np.flatnonzero(test.tiles.unit_of_tile == unit)
    errors = (test.tiles.labels[rows] ^ test.predicted[rows]).sum(axis=1)
    most = rows[np.lexsort((rows, -errors))[:_MOST_TILES]].tolist()
    hits, predicted, true = (of[unit] for of in (test.counts.hits, test.counts.predicted, test.counts.true))
    return FieldScore(
        field=test.tiles.units[unit],
        num_tiles=int(test.num_tiles[unit]),
        errors=int(spread.errors[unit]),
        expected=float(spread.expected[unit]),
        excess=float(spread.excess[unit]),
        macro_f1=macro(f1(hits, predicted, true), true) if true.any() else None,
        tiles=tuple(test.tiles.tile_ids[row] for row in most),
    )
