"""Makes rings of the corners of regions: an outline and its holes, each ring without a repeated point."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.maps.output.region_sweep import DOWN, RIGHT, Corners

Ring: TypeAlias = list[int]  # numbers of corners


def rings_by_region(corners: Corners, num_regions: int) -> Iterator[list[Ring]]:
    """Yields the rings of each region: its outline, then its holes. All run clockwise as seen on the map.

    In a row, the corners of a region are joined in pairs from left to right, in a column from top to bottom. Where two
    of its cells touch by a corner only, the rings turn around the cells outside, so that a hole that touches the
    outline from within is a ring of its own: a polygon may touch itself at a point, but a ring may not.

    Args:
      corners: Of regions that are whole.
      num_regions: Regions are numbered from 0; one without corners has no rings.
    """
    sides = corners.sides.copy()
    by_row = np.lexsort((sides & RIGHT, corners.x, corners.y, corners.region))
    one, other = by_row[:-1], by_row[1:]
    twins = (
        (corners.x[one] == corners.x[other])
        & (corners.y[one] == corners.y[other])
        & (corners.region[one] == corners.region[other])
    )
    # Found as corners of the two cells inside; their vertical sides change places.
    sides[one[twins]] ^= DOWN
    sides[other[twins]] ^= DOWN
    by_column = np.lexsort((sides & DOWN, corners.y, corners.x, corners.region))
    across, along = (_partners(order).tolist() for order in (by_row, by_column))
    ends = np.searchsorted(corners.region[by_row], np.arange(num_regions), side="right").tolist()
    order, seen, begin = by_row.tolist(), bytearray(len(by_row)), 0
    for end in ends:
        rings: list[Ring] = []
        for start in order[begin:end]:
            if seen[start]:
                continue
            ring: Ring = []
            corner = start  # the highest corner of its ring, and the leftmost of these
            while not seen[corner]:
                next_corner = across[corner]
                seen[corner] = seen[next_corner] = 1
                ring += (corner, next_corner)
                corner = along[next_corner]
            rings.append(ring)
        yield rings
        begin = end


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns for each corner the other end of a side: the first and second in an order are partners, and so on."""
    partner = np.empty_like(order)
    partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    return partner
