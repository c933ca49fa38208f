"""Blends the answers about windows into the cells of a map, strip by strip, in little memory.

A cell's value is the mean of what the windows around its centre say of it, weighted by how near to their middles it
lies (Hann), so that no window's border shows. A window with one answer says the same of all its cells. Where one window
alone reaches, its answer is the value, exactly: weights cancel in float64, and what remains vanishes in float32.

What a dense head says is scaled to the window and blended as log-odds, because so its thresholds were chosen: of maps
that were scaled bilinearly before they were compared (components/scoring/overlap_iou.py).
"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from components.maps.grid import MapGrid, Strip
from components.maps.window_part import WindowPart, unpacked
from components.maps.windows import Axis, enlarging, hann
from components.scoring.dense.pixel_classes import log_odds

STRIP_BYTES = 16 << 20  # of the probabilities in a strip, if they are more than one row


@dataclasses.dataclass(frozen=True)
class _Window:
    """A window with its float32 [h, w, C], of a dense head log-odds, and which of its cells count, as packed bits."""

    top: int
    left: int
    answers: NDArray[np.float32]
    valid: bytes


def blend(grid: MapGrid, parts: Iterable[WindowPart]) -> Iterator[Strip]:
    """Yields the strips of a map from its parts in their order; see MapReader.strips."""
    rows = Axis(grid.height_px, grid.cell_px)
    row_bytes = grid.columns * len(grid.classes) * 4
    at_once = max(STRIP_BYTES // max(row_bytes, 1), 1)
    tops = [part.top_px for part in grid.parts]
    near: list[_Window] = []
    row = 0
    for number, part in enumerate(parts):
        answers = part.arrays(len(grid.classes))
        answers = log_odds(answers) if grid.is_dense else answers
        near += [
            _Window(*place, values, valid)
            for place, values, valid in zip(part.places, answers, part.valid, strict=True)
        ]
        # No later part has a window that reaches the cells above its first one.
        end = rows.first_from(tops[number + 1]) if number + 1 < len(tops) else grid.rows
        while row < end:
            some = range(row, min(row + at_once, end))
            yield _strip(grid, some, near)
            row = some.stop
        if row < grid.rows:
            centre = rows.centre(row)
            near = [window for window in near if window.top + grid.window_px > centre]


def _strip(grid: MapGrid, some: range, windows: Iterable[_Window]) -> Strip:
    axes = Axis(grid.height_px, grid.cell_px), Axis(grid.width_px, grid.cell_px)
    # Of maps, float32 is exact enough, and half of the time.
    kind = np.float32 if grid.is_dense else np.float64
    # By columns first, so that what a window adds to is in one piece.
    total = np.zeros((grid.columns, len(some), len(grid.classes)), kind)
    weight = np.zeros((grid.columns, len(some)), kind)
    valid = np.zeros((len(some), grid.columns), np.bool_)
    for window in windows:
        reach = axes[0].cells(window.top, grid.window_px)
        rows = range(max(reach.start, some.start), min(reach.stop, some.stop))
        if not rows:
            continue
        columns = axes[1].cells(window.left, grid.window_px)
        here = slice(columns.start, columns.stop), slice(rows.start - some.start, rows.stop - some.start)
        down, across = (
            axis.centres(cells) - start
            for axis, cells, start in zip(axes, (rows, columns), (window.top, window.left), strict=True)
        )
        weights = hann(across, grid.window_px), hann(down, grid.window_px)
        weight[here] += np.outer(*weights)
        total[here] += _weighted(window.answers, (across, down), weights, grid.window_px, kind)
        inside = range(rows.start - reach.start, rows.stop - reach.start)
        valid[here[1], here[0]] |= unpacked(window.valid, inside, len(reach), len(columns))
    counts = valid.T
    np.divide(total, weight[..., np.newaxis], out=total, where=counts[..., np.newaxis])
    if grid.is_dense:
        with np.errstate(over="ignore"):  # the exponential of a large number is infinite, and its odds are zero
            np.exp(np.negative(total, out=total), out=total)
        np.divide(1, np.add(total, 1, out=total), out=total)
    total[~counts] = 0
    return Strip(some.start, np.ascontiguousarray(total.transpose(1, 0, 2), np.float32), valid)


def _weighted(
    answers: NDArray[np.float32],
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    weights: tuple[NDArray[np.float64], NDArray[np.float64]],
    window_px: int,
    kind: type[np.floating],
) -> NDArray[np.floating]:
    """Returns what a window adds to its cells, [columns, rows, C], from its answers [h, w, C]."""
    height, width, num_classes = answers.shape
    if height == width == 1:
        same: NDArray[np.floating] = np.multiply.outer(np.outer(*weights), answers[0, 0].astype(kind))
        return same
    across = (enlarging(window_px, width)[places[0]] * weights[0][:, np.newaxis]).astype(kind)  # [columns, w]
    down = (enlarging(window_px, height)[places[1]] * weights[1][:, np.newaxis]).astype(kind)  # [rows, h]
    narrow = (down @ answers.reshape(height, -1)).reshape(len(down), width, num_classes).transpose(1, 0, 2)
    added = across @ narrow.reshape(width, -1)
    values: NDArray[np.floating] = added.reshape(len(across), len(down), num_classes)
    return values
