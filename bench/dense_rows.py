"""Measures the metric of maps: what a tile of a dense head costs the evaluate step beside the model itself."""

import io
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bench.pairs import BELOW, PASS, REPORTED, Row
from components.agrivision import PAPER_2020_CLASSES, TILE_SIZE_PX
from components.evaluate.dense.dense_pass import PixelSums
from components.records.mask_png import encode_mask
from components.records.tile_record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.run_settings import Setup

_LIMIT_MS = 2.0
_NUM_TILES, _NUM_PLACES = 60, 32  # tiles; places a side, as of a model for 256 px
_NUM_CLASSES = len(PAPER_2020_CLASSES)


def dense_metric_ms(setup: "Setup", target: float | None) -> Row:
    """Processor time for tiles of 512 px with one to three classes; the ratio is that of the limit to it."""
    generator = np.random.default_rng(0)
    tiles = [_tile(generator, number) for number in range(_NUM_TILES)]
    rounds = [_milliseconds(tiles) for _ in range(setup.num_rounds + 1)][1:]  # the first warms up
    taken = statistics.median(rounds)
    ratio = _LIMIT_MS / taken
    return Row(
        name="dense_metric_ms",
        verdict=REPORTED if target is None else PASS if ratio >= target else BELOW,
        ours=taken,
        other=_LIMIT_MS,
        ratio=ratio,
        rounds=[[each] for each in rounds],
        unit="ms",
        target=target,
        ours_is=f"processor time of the challenge's metric for a tile of {TILE_SIZE_PX} px, {_NUM_CLASSES} classes, "
        f"one to three of them in it, from maps of {_NUM_PLACES} x {_NUM_PLACES} places: its masks are read, the maps "
        "scaled to the tile, and the pixels counted",
        other_is="what it may take",
        note=f"{taken:.2f} ms a tile",
        details={"num_tiles": _NUM_TILES},
    )


def _milliseconds(tiles: "list[tuple[Record, NDArray[np.float32]]]") -> float:
    sums = PixelSums((0.5,) * _NUM_CLASSES)
    start = time.process_time()
    for record, maps in tiles:
        sums.see(record, maps)
    return (time.process_time() - start) / len(tiles) * 1e3


def _tile(generator: np.random.Generator, number: int) -> "tuple[Record, NDArray[np.float32]]":
    """Returns a tile whose classes are ellipses, and maps that show each of them a little beside its place."""
    masks, maps = [b""] * _NUM_CLASSES, np.full((_NUM_PLACES, _NUM_PLACES, _NUM_CLASSES), -4.0, np.float32)
    for c in generator.choice(_NUM_CLASSES, 1 + number % 3, replace=False).tolist():
        centre, radius = generator.uniform(0.2, 0.8, 2), generator.uniform(0.1, 0.4, 2)
        masks[c] = encode_mask(_distance(TILE_SIZE_PX, centre, radius) < 1)
        maps[..., c] = 4 - 4 * _distance(_NUM_PLACES, centre + 0.02, radius)
    buffer = io.BytesIO()
    Image.new("RGB", (TILE_SIZE_PX, TILE_SIZE_PX)).save(buffer, "JPEG")
    valid = encode_mask(_distance(TILE_SIZE_PX, np.array([0.5, 0.5]), np.array([0.65, 0.65])) < 1)
    labels = [float(bool(mask)) for mask in masks]
    return Record(f"t{number}", f"f{number // 8}", buffer.getvalue(), b"", valid, labels, labels, tuple(masks)), maps


def _distance(side: int, centre: "NDArray[np.float64]", radius: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Returns how far each pixel is from a centre, [side, side], in radii."""
    at = (np.indices((side, side)) + 0.5) / side
    found: NDArray[np.float64] = np.hypot(*((at - centre[:, None, None]) / radius[:, None, None]))
    return found
