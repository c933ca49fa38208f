"""Regions of hand-drawn and random maps, against flooding and filling cell by cell."""

import itertools
from collections import Counter

import numpy as np
import pytest

from components.maps.output.outlines import rings_by_region
from components.maps.output.region_sweep import RegionSweep, no_regions


def _drawn(text):
    """Returns a plane of answers, drawn with "." for none, "1" and "2"."""
    return np.array([[0 if cell == "." else int(cell) for cell in line] for line in text.split()], np.uint8)


def _swept(plane, strips=(), steps=None, **options):
    """Returns the regions as (answer, area, rings of points), in the order of their first cells."""
    rows, columns = plane.shape
    steps = np.where(plane > 0, 1000, 0).astype(np.uint16) if steps is None else steps
    sweep = RegionSweep(columns, options.pop("width", columns), options.pop("row_area", np.ones(rows)), **options)
    cuts = [0, *strips, rows]
    parts = [sweep.add(plane[a:b], steps[a:b]) for a, b in itertools.pairwise(cuts)]
    found = []
    for regions in (*parts, sweep.finish()):
        points = list(zip(regions.corners.x.tolist(), regions.corners.y.tolist(), strict=True))
        for number, rings in enumerate(rings_by_region(regions.corners, len(regions))):
            found.append(
                {
                    "first": divmod(int(regions.first[number]), 1 << 32),
                    "answer": int(regions.answer[number]),
                    "area": float(regions.area[number]),
                    "cells": int(regions.cells[number]),
                    "total": int(regions.total[number]),
                    "highest": int(regions.highest[number]),
                    "outlined": bool(regions.outlined[number]),
                    "rings": [[points[corner] for corner in ring] for ring in rings],
                }
            )
    return sorted(found, key=lambda region: region["first"])


def _signed_area(ring):
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in itertools.pairwise([*ring, ring[0]])) / 2


def _filled(rings, shape):
    """Returns the cells inside rings, by the parity of the vertical sides to their left."""
    crossings = np.zeros((shape[0], shape[1] + 1), int)
    for ring in rings:
        for (x1, y1), (x2, y2) in itertools.pairwise([*ring, ring[0]]):
            if x1 == x2:
                crossings[min(y1, y2) : max(y1, y2), x1] += 1
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def _by_flooding(plane):
    """Returns the first cell of the region of each cell; the plain way to say which cells are one region."""
    of = np.full(plane.shape, -1)
    for start in zip(*np.nonzero(plane), strict=True):
        if of[start] >= 0:
            continue
        waiting, number = [start], start[0] * plane.shape[1] + start[1]
        while waiting:
            row, column = waiting.pop()
            if not (0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]):
                continue
            if of[row, column] >= 0 or plane[row, column] != plane[start]:
                continue
            of[row, column] = number
            waiting += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return of


@pytest.mark.parametrize(
    ("drawing", "expected"),
    [
        ("...", []),
        ("1", [(1, [[(0, 0), (1, 0), (1, 1), (0, 1)]])]),
        ("11 12", [(1, [[(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]]), (2, [[(1, 1), (2, 1), (2, 2), (1, 2)]])]),
        # cells that touch by a corner are two regions
        ("1. .1", [(1, [[(0, 0), (1, 0), (1, 1), (0, 1)]]), (1, [[(1, 1), (2, 1), (2, 2), (1, 2)]])]),
        (
            "111 1.1 111",
            [(1, [[(0, 0), (3, 0), (3, 3), (0, 3)], [(1, 1), (2, 1), (2, 2), (1, 2)]])],
        ),
        # a hole that touches the outline from within is a ring of its own
        (
            "111 1.1 11.",
            [(1, [[(0, 0), (3, 0), (3, 2), (2, 2), (2, 3), (0, 3)], [(1, 1), (2, 1), (2, 2), (1, 2)]])],
        ),
        # and what fills a hole is another region
        (
            "111 121 111",
            [
                (1, [[(0, 0), (3, 0), (3, 3), (0, 3)], [(1, 1), (2, 1), (2, 2), (1, 2)]]),
                (2, [[(1, 1), (2, 1), (2, 2), (1, 2)]]),
            ],
        ),
    ],
)
@pytest.mark.parametrize("by_rows", [False, True])
def test_a_region_has_an_outline_and_holes(drawing, expected, by_rows):
    plane = _drawn(drawing)
    regions = _swept(plane, range(1, len(plane)) if by_rows else ())
    assert [(region["answer"], region["rings"]) for region in regions] == expected


@pytest.mark.parametrize("share", [0.05, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_regions_are_the_same_however_a_map_is_cut_into_strips_and_fill_what_they_were_made_of(share, seed):
    generator = np.random.default_rng(seed)
    plane = (generator.random((23, 31)) < share).astype(np.uint8) * generator.integers(1, 3, (23, 31), np.uint8)
    steps = generator.integers(0, 65536, plane.shape).astype(np.uint16)
    whole = _swept(plane, steps=steps)
    for strips in ([1], [5, 6, 20], range(1, 23)):
        assert _swept(plane, strips, steps=steps) == whole
    of = _by_flooding(plane)
    assert Counter(of[of >= 0].tolist()) == {r["first"][0] * 31 + r["first"][1]: r["cells"] for r in whole}
    for region in whole:
        cells = of == region["first"][0] * 31 + region["first"][1]
        outline, *holes = region["rings"]
        np.testing.assert_array_equal(_filled(region["rings"], plane.shape), cells)
        np.testing.assert_array_equal(_filled([outline], plane.shape) & cells, cells)
        assert region["total"] == steps[cells].astype(int).sum()
        assert region["highest"] == steps[cells].max()
        # clockwise as seen, with y downwards; no ring meets itself, and each side turns
        assert _signed_area(outline) - sum(map(_signed_area, holes)) == region["cells"] == region["area"]
        assert all(_signed_area(ring) > 0 and len(set(ring)) == len(ring) for ring in region["rings"])


def test_an_area_counts_only_what_is_within_the_map():
    (region,) = _swept(_drawn("111 111"), width=2.25, row_area=np.array([2.0, 0.5]))
    assert region["area"] == 2.25 * 2.5


def test_a_region_with_too_many_corners_loses_its_outline_and_keeps_its_sums():
    comb = _drawn(" ".join(["1" * 41 + "..", *[".".join("1" * 21) + "..", "1" * 41 + ".1"] * 20]))
    regions = _swept(comb, range(1, len(comb)), most_open_corners=100)
    assert [(region["outlined"], bool(region["rings"])) for region in regions[:2]] == [(False, False), (True, True)]
    assert regions[0]["cells"] == (comb[:, :41] > 0).sum()


def test_no_regions_are_none():
    assert len(no_regions()) == 0
    assert list(rings_by_region(no_regions().corners, 0)) == []
