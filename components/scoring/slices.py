"""Compares parts of a test split, such as the dark tiles, with the rest of it: which is worst, and is it by chance?

F1 depends on how often a class occurs: a model with the same recall and the same false alarms everywhere has a lower F1
where a class is rare. So a slice is not compared with the F1 of the rest, but with what the rest's recall r and
false-alarm rate f would give on the slice's own tiles: of t tiles with the class and n - t without it, r t would be
found and f (n - t) falsely so, and F1 would be 2 r t / (r t + f (n - t) + t). The difference is the mean over the
classes that at least five fields have, of the slice and of the rest: where fewer do, it is mostly luck.

The more slices one looks at, the lower the lowest of them by chance alone. So the interval of each difference holds for
all at once: with D a difference, s its standard deviation by the jackknife over fields, and D* the difference in a
resample of whole fields, it is D +- c s, where c is the largest |D* - D| / s of any slice that 95 % of the resamples
stay below (the max-T of Westfall and Young, Resampling-Based Multiple Testing, 1993, section 2.3). All slices share the
resamples, so slices that overlap cost less than by Bonferroni's rule, which would take the same field for many
witnesses. The jackknife's s, which errs upwards (Efron and Stein, Annals of Statistics 9, 1981), keeps it honest for
few fields; signs turned at random, instead of resamples, called the worst of equal slices worse in 11 % of the test
sets with 20 fields.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.f1_score import f1, macro, macro_of_each
from components.scoring.resamples import LEVEL, NUM_RESAMPLES, field_weights, interval_of

MIN_FIELDS = 5
_CELLS_AT_ONCE = 1 << 21  # tiles times classes; 6 MB of labels and predictions
_MOST_CELLS = 600_000  # fields times classes; 14 MB for each slice

# Some tiles -> their labels and predictions, [n, C] each
Rows: TypeAlias = Callable[[slice], tuple[NDArray[np.bool_], NDArray[np.bool_]]]


@dataclasses.dataclass(frozen=True)
class Dimension:
    """What the tiles are divided by.

    Attributes:
      names: Of the slices, [G].
      group_of_tile: The slice of each tile, int8 [N]; below 0 if it belongs to none.
    """

    name: str
    names: tuple[str, ...]
    group_of_tile: NDArray[np.int8]


@dataclasses.dataclass(frozen=True)
class SliceResult:
    """One slice.

    Attributes:
      macro_f1, interval: Over the classes that it has; None if it has none.
      difference: From what the rest would give, and the ends of the interval that holds for all slices at once; None if
        too few fields tell.
      evidence: The difference as a multiple of its standard deviation.
      p_value: The share of resamples in which the largest deviation of any slice reaches this one's.
      num_compared: The number of classes that the difference is the mean of.
    """

    dimension: str
    name: str
    num_tiles: int
    num_fields: int
    macro_f1: float | None
    interval: tuple[float, float] | None
    difference: tuple[float, float, float] | None = None
    evidence: float = 0.0
    p_value: float | None = None
    num_compared: int = 0


@dataclasses.dataclass(frozen=True)
class _Part:
    """A slice's sums by unit, int32 [U, 3 C + 1]: hits, predicted, true, and tiles."""

    dimension: str
    name: str
    sums: NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class _Compared:
    """The classes that a slice is compared in, bool [C], its difference, and the standard deviation of that."""

    judged: NDArray[np.bool_]
    difference: float
    deviation: float


def judge_slices(
    dimensions: Sequence[Dimension],
    rows: Rows,
    unit_of_tile: NDArray[np.int32],
    num_units: int,
    num_resamples: int = NUM_RESAMPLES,
) -> list[SliceResult]:
    """Returns the slices of all dimensions, in order, without those that have no tile.

    Args:
      rows: Is asked for the tiles in blocks.
      unit_of_tile: The field of each tile, in 0..num_units-1, [N].
    """
    if not len(unit_of_tile) or not dimensions:
        return []
    num_classes = rows(slice(0, 1))[0].shape[1]
    # Beyond what memory allows, fields are put together, which makes fewer witnesses of them.
    num_units = max(1, min(num_units, _MOST_CELLS // num_classes))
    everything = np.zeros(len(unit_of_tile), np.int8)
    total = _sum(rows, unit_of_tile, num_units, num_classes, everything, 1)[0]
    parts = []
    for dimension in dimensions:
        sums = _sum(rows, unit_of_tile, num_units, num_classes, dimension.group_of_tile, len(dimension.names))
        parts += [
            _Part(dimension.name, name, of) for name, of in zip(dimension.names, sums, strict=True) if of[:, -1].any()
        ]
    compared = [_compare(part.sums, total) for part in parts]
    scores, differences = _resample(parts, compared, total, num_resamples)
    deviations = np.array([each.deviation if each else 1.0 for each in compared])
    centred = np.abs(differences - [each.difference if each else 0.0 for each in compared]) / deviations  # [R, S]
    centred[:, [each is None for each in compared]] = 0
    largest = centred.max(axis=1)
    reach = float(np.quantile(largest, LEVEL))
    results = []
    for number, (part, each) in enumerate(zip(parts, compared, strict=True)):
        score, supported = _macro_f1(part.sums.sum(axis=0))
        fields = part.sums[:, -1] > 0
        result = SliceResult(
            dimension=part.dimension,
            name=part.name,
            num_tiles=int(part.sums[:, -1].sum()),
            num_fields=int(fields.sum()),
            macro_f1=score if supported else None,
            interval=interval_of(scores[:, number], score, _telling(part.sums)) if supported else None,
        )
        if each:
            margin, evidence = reach * each.deviation, each.difference / each.deviation
            result = dataclasses.replace(
                result,
                difference=(each.difference, each.difference - margin, each.difference + margin),
                evidence=evidence,
                p_value=float((1 + (largest >= abs(evidence)).sum()) / (1 + len(largest))),
                num_compared=int(each.judged.sum()),
            )
        results.append(result)
    return results


def most_evidently_worse(results: Sequence[SliceResult]) -> int | None:
    """Returns the position of the slice whose difference is the furthest below 0 by its own noise; None if none is."""
    below = [(each.evidence, number) for number, each in enumerate(results) if each.difference and each.evidence < 0]
    return min(below)[1] if below else None


def _sum(
    rows: Rows,
    unit_of_tile: NDArray[np.int32],
    num_units: int,
    num_classes: int,
    group_of_tile: NDArray[np.int8],
    num_groups: int,
) -> NDArray[np.int32]:
    """Returns the sums by group and unit, int32 [G, U, 3 C + 1]."""
    sums = np.zeros((3 * num_classes + 1, num_groups * num_units), np.int64)
    tiles_at_once = max(1, _CELLS_AT_ONCE // num_classes)
    for start in range(0, len(unit_of_tile), tiles_at_once):
        here = slice(start, start + tiles_at_once)
        known = group_of_tile[here] >= 0
        labels, predicted = (of[known] for of in rows(here))
        cells = (group_of_tile[here].astype(np.int64) * num_units + unit_of_tile[here] % num_units)[known]
        for column, chosen in enumerate(np.concatenate([labels & predicted, predicted, labels], axis=1).T):
            sums[column] += np.bincount(cells[chosen], minlength=sums.shape[1])
        sums[-1] += np.bincount(cells, minlength=sums.shape[1])
    return np.ascontiguousarray(sums.T, np.int32).reshape(num_groups, num_units, -1)


def _compare(sums: NDArray[np.int32], total: NDArray[np.int32]) -> _Compared | None:
    """Returns how a slice differs from the rest; None if too few fields tell."""
    judged = np.logical_and.reduce([(_split(of)[2] > 0).sum(axis=0) >= MIN_FIELDS for of in (sums, total - sums)])
    if not judged.any():
        return None
    of_slice, of_all = sums.sum(axis=0), total.sum(axis=0)
    difference = float(_difference(of_slice, of_all, judged))
    left = _difference(of_slice - sums, of_all - total, judged)  # without each unit, [U]
    deviation = math.sqrt((len(left) - 1) / len(left) * float(((left - left.mean()) ** 2).sum()))
    return _Compared(judged, difference, deviation) if deviation > 0 else None


def _difference(
    of_slice: NDArray[Any],
    of_all: NDArray[Any],
    judged: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Returns the difference, [...], from sums [..., 3 C + 1] of a slice and of all tiles."""
    hits, predicted, true, tiles = _split(of_slice)
    other_hits, other_predicted, other_true, other_tiles = _split(of_all - of_slice)
    recall = other_hits / np.maximum(other_true, 1)
    false_alarms = (other_predicted - other_hits) / np.maximum(other_tiles - other_true, 1)
    expected = f1(recall * true, recall * true + false_alarms * (tiles - true), true)
    told = judged & (true > 0) & (other_true > 0)
    return macro_of_each(f1(hits, predicted, true) - expected, told)


def _resample(
    parts: Sequence[_Part], compared: Sequence[_Compared | None], total: NDArray[np.int32], num_resamples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns macro F1 and the difference of each slice in each resample of the units, float64 [R, S] each."""
    # Whole numbers below 2^24 are exact in float32, which is twice as fast.
    kind = np.float32 if 2 * int(total[:, -1].sum()) < 2**24 else np.float64
    scores, differences = (np.zeros((num_resamples, len(parts))) for _ in range(2))
    num_classes = total.shape[1] // 3
    done = 0
    for weights in field_weights(len(total), num_resamples):
        here, drawn = slice(done, done + len(weights)), weights.astype(kind, copy=False)
        done += len(weights)
        of_all = (drawn @ total.astype(kind)).astype(np.float64)
        for number, (part, each) in enumerate(zip(parts, compared, strict=True)):
            units = np.flatnonzero(part.sums[:, -1])  # often a few of many: those of one year
            # Likewise of many classes, and those that no tile of the slice has are in no mean.
            has = np.flatnonzero(_split(part.sums.sum(axis=0))[2])
            columns = np.concatenate([has, has + num_classes, has + 2 * num_classes, [3 * num_classes]])
            of_slice = (drawn[:, units] @ part.sums[np.ix_(units, columns)].astype(kind)).astype(np.float64)
            hits, predicted, true, _ = _split(of_slice)
            scores[here, number] = macro_of_each(f1(hits, predicted, true), true)
            if each:
                differences[here, number] = _difference(of_slice, of_all[:, columns], each.judged[has])
    return scores, differences


def _split(sums: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Returns hits, predicted and true, [..., C], and tiles, [..., 1]."""
    *counts, tiles = np.split(sums, [sums.shape[-1] // 3 * place for place in (1, 2, 3)], axis=-1)
    return (*counts, tiles)


def _macro_f1(sums: NDArray[Any]) -> tuple[float, bool]:
    """Returns macro F1, and whether there is any class."""
    hits, predicted, true, _ = _split(sums)
    return macro(f1(hits, predicted, true), true), bool(true.any())


def _telling(sums: NDArray[np.int32]) -> int:
    """Returns the number of units that have a class."""
    return int(_split(sums)[2].any(axis=1).sum())
