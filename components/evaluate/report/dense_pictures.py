"""Draws a tile three times: as it is, with its labels, and with what a dense head shows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.evaluate.dense.truth import Truth, truth_of
from components.evaluate.report.pictures import Pixels, ShownTile
from components.records import jpeg
from components.records.image_header import DamagedImage
from components.scoring.dense.pixel_classes import pixel_classes

# By class number: those of Okabe and Ito, which colour-blind readers tell apart, then others far from them.
COLOURS = (
    *("#e69f00", "#56b4e9", "#cc79a7", "#f0e442", "#0072b2", "#d55e00", "#009e73", "#6a51e6", "#bbcc33"),
    *("#8c4a2f", "#40e0d0", "#e7298a", "#7f7f7f", "#b3de69", "#3f007d"),
)
_SIDE_PX = 144
_GAP_PX = 4
_DIMMED = 0.35
_STRENGTH = 0.7  # of a class's colour over the picture
_STRIPE_PX = 5


def pictured(tile: ShownTile, thresholds: Sequence[float]) -> tuple[Pixels, set[int]]:
    """Returns the three pictures side by side, uint8 [H, W, 3], and the numbers of the classes in them.

    Args:
      tile: With the maps of a dense head.
      thresholds: Above which a place shows a class, [C].

    Raises:
      DataError: if the tile's images or masks cannot be decoded.
    """
    assert tile.maps is not None
    num_classes = len(thresholds)
    truth = truth_of(tile.record, num_classes)
    try:
        rgb = jpeg.decode(tile.record.rgb, 3)
    except DamagedImage as error:
        raise DataError(f"{tile.where} cannot be decoded: {error}; {tile.way_out}") from error
    rows, columns = (((np.arange(_SIDE_PX) + 0.5) * side / _SIDE_PX).astype(np.intp) for side in rgb.shape[:2])
    at = np.ix_(rows, columns)
    valid = truth.plane(truth.valid)[at]
    small = np.where(valid[..., np.newaxis], rgb[at], (rgb[at] * _DIMMED).astype(np.uint8))
    labelled = _labelled(truth, at)
    shown = pixel_classes(tile.maps, thresholds, truth.height, truth.width)[at]
    shown[~valid] = 0
    parts = [small, _coloured(small, labelled), _coloured(small, shown)]
    gap = np.full((_SIDE_PX, _GAP_PX, 3), 255, np.uint8)
    numbers = {int(number) - 1 for number in np.unique(np.stack([labelled, shown])) if number}
    return np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=1), numbers


def _labelled(truth: Truth, at: tuple[NDArray[np.intp], ...]) -> NDArray[np.uint8]:
    """Returns a class for each pixel, 0 for none; stripes of all where there are several."""
    planes = {c: truth.plane(bits & truth.valid)[at] for c, bits in truth.labels.items()}
    how_many = (
        np.sum(list(planes.values()), axis=0, dtype=np.intp) if planes else np.zeros((_SIDE_PX, _SIDE_PX), np.intp)
    )
    stripe = np.add.outer(np.arange(_SIDE_PX), np.arange(_SIDE_PX)) // _STRIPE_PX % np.maximum(how_many, 1)
    found, before = np.zeros((_SIDE_PX, _SIDE_PX), np.uint8), np.zeros((_SIDE_PX, _SIDE_PX), np.intp)
    for c, plane in planes.items():
        found[plane & (before == stripe)] = c + 1
        before += plane
    return found


def _coloured(pixels: Pixels, classes: NDArray[np.uint8]) -> Pixels:
    colours = np.array([(0, 0, 0), *([int(text[at : at + 2], 16) for at in (1, 3, 5)] for text in COLOURS)], np.float32)
    grey = pixels.mean(axis=-1, keepdims=True)  # so that the colours of the classes stand out
    share = np.where(classes > 0, _STRENGTH, 0.0)[..., np.newaxis]
    return np.asarray((1 - share) * grey + share * colours[classes], np.uint8)
