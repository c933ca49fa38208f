"""Which class each pixel of a tile shows, by the maps of a dense head.

The maps are logits by place; they are scaled to the tile's size bilinearly, pixel centres upon pixel centres, as
TensorFlow and Pillow do. A pixel shows the class that is furthest above its threshold, in log-odds; background if none
is above. With thresholds of one half that is the most probable class, if it is more probable than not.

A bilinear value is a weighted mean of the four places around the pixel. So a class can only show near places where it
is above its threshold, and only there it is computed by pixel.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST, _MOST = 1e-30, 1 - 2.0**-24  # what float32 tells from 0 and 1, whose log-odds are infinite


def log_odds(probabilities: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns log(p / (1 - p)), finite float32 of the same shape."""
    bounded = np.clip(np.asarray(probabilities, np.float64), _LEAST, _MOST)
    return np.asarray(np.log(bounded) - np.log1p(-bounded), np.float32)


def pixel_classes(maps: NDArray[np.float32], thresholds: Sequence[float], height: int, width: int) -> NDArray[np.uint8]:
    """Returns the class of each pixel of a tile, uint8 [height, width]: 0 for background, c + 1 for class c.

    Args:
      maps: Logits, finite, float32 [h, w, C]; C is at most 254.
      thresholds: Probabilities above which a place shows a class, in 0..1, [C].
      height, width: Of the tile.
    """
    margins = maps - log_odds(thresholds)
    best, found = np.zeros((height, width), np.float32), np.zeros((height, width), np.uint8)
    for c in range(margins.shape[-1]):
        margin = margins[..., c]
        is_ahead = margin > 0
        if not is_ahead.any():
            continue
        rows, columns = (_near(is_ahead.any(axis=1 - of), (height, width)[of]) for of in (0, 1))
        (top, bottom, down), (left, right, across) = (
            _between(np.arange(pixels.start, pixels.stop), len(places), size)
            for pixels, places, size in ((rows, margin, height), (columns, margin.T, width))
        )
        # Elementwise, since a product of matrices this small would wake all threads of the linear algebra for it.
        wide = margin[:, left] + (margin[:, right] - margin[:, left]) * across[:, 0]
        values, here = (wide[bottom] - wide[top]) * down, (rows, columns)
        values += wide[top]
        is_best = values > best[here]
        np.copyto(found[here], np.uint8(c + 1), where=is_best)
        np.maximum(best[here], values, out=best[here])
    return found


def _near(is_ahead: Any, num_pixels: int) -> slice:
    """Returns the pixels of an axis that are next to a place where a class is ahead.

    Args:
      is_ahead: By place of the axis, bool [h].
    """
    ahead = np.flatnonzero(is_ahead)
    first, last = (_at(place, len(is_ahead), num_pixels) for place in (ahead[0] - 1, ahead[-1] + 1))
    return slice(max(0, math.floor(first)), min(num_pixels, math.ceil(last) + 1))


def _at(place: int, num_places: int, num_pixels: int) -> float:
    """Returns where a place of an axis lies among its pixels."""
    return float((place + 0.5) * num_pixels / num_places - 0.5)


def values_at(
    maps: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], height: int, width: int
) -> NDArray[np.float32]:
    """Returns maps, [h, w, C], scaled to a tile of `height` and `width`, at some of its pixels, float32 [P, C]."""
    (top, bottom, down), (left, right, across) = (
        _between(pixels, places, size)
        for pixels, places, size in ((rows, maps.shape[0], height), (columns, maps.shape[1], width))
    )
    upper = maps[top, left] * (1 - across) + maps[top, right] * across
    lower = maps[bottom, left] * (1 - across) + maps[bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def _between(
    pixels: NDArray[np.intp], num_places: int, num_pixels: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Returns the places around some pixels of an axis, and how far each is towards the second, [P, 1]."""
    at = np.clip((pixels + 0.5) * num_places / num_pixels - 0.5, 0, num_places - 1)
    first = np.floor(at).astype(np.intp)
    share = (at - first).astype(np.float32)[:, np.newaxis]
    return first, np.minimum(first + 1, num_places - 1), share
