"""What a model answers, as the arrays that it must be."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.saved_model.messages import LARGEST_REPLY_BYTES

_PIXELS_OF_PLACE = 8  # along a side of the model's input; the finest maps of a dense head are at 1/8
_FEWEST_PLACES = 8  # along a side, that are allowed for the smallest input


def as_probabilities(
    results: Mapping[str, NDArray[np.generic]], num_tiles: int, num_classes: int, uri: str
) -> NDArray[np.float32]:
    """Returns the probabilities among a model's results, float32 [N, C].

    Raises:
      DataError: if they are not of this shape.
    """
    return float32_of(results, "probabilities", (num_tiles, num_classes), uri)


def tiles_with_maps(image_size_px: int, num_classes: int) -> int:
    """Returns how many tiles a model may be asked about at a time if it answers with maps, which fill a reply."""
    return max(1, LARGEST_REPLY_BYTES // 2 // (places_with_maps(image_size_px) * num_classes * 4))


def places_with_maps(image_size_px: int) -> int:
    """Returns the most places that a map of a tile has."""
    return max(_FEWEST_PLACES, image_size_px // _PIXELS_OF_PLACE) ** 2


def as_maps(
    results: Mapping[str, NDArray[np.generic]], num_tiles: int, num_classes: int, uri: str
) -> NDArray[np.float32]:
    """Returns the maps among a model's results, float32 [N, h, w, C] with at least one place.

    Raises:
      DataError: if they are not of this shape, or not finite.
    """
    found = results.get("maps")
    places = [max(side, 1) for side in found.shape[1:3]] if found is not None and found.ndim == 4 else [1, 1]
    maps = float32_of(results, "maps", (num_tiles, *places, num_classes), uri)
    if not np.isfinite(maps).all():
        raise DataError(f"the SavedModel at {uri!r} breaks down: its maps are not finite")
    return maps


def float32_of(
    results: Mapping[str, NDArray[np.generic]], name: str, shape: tuple[int, ...], uri: str
) -> NDArray[np.float32]:
    """Returns one of a model's results.

    Raises:
      DataError: if it is missing, not float32, or not of this shape.
    """
    found = results.get(name)
    if found is None or found.dtype != np.float32 or found.shape != shape:
        what = "nothing" if found is None else f"{found.dtype} {list(found.shape)}"
        raise DataError(f"the SavedModel at {uri!r} must answer float32 {list(shape)}, got {what}")
    return found.astype(np.float32, copy=False)
