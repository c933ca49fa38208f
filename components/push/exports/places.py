"""What a model with a dense head shows at each pixel, from the logits of its maps: in NumPy, to compare with."""

import numpy as np
from numpy.typing import NDArray

from components.push.exports.kinds import HIGHEST_THRESHOLD, LOWEST_THRESHOLD


def place_probabilities(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the probabilities of the places, float64 [N, h, w, C], from their logits."""
    return np.asarray(1 / (1 + np.exp(-maps.astype(np.float64))))


def shares_of(maps: NDArray[np.float32], thresholds: tuple[float, ...], size_px: int) -> NDArray[np.float64]:
    """Returns the share of background and each class at every pixel, float64 [N, 1 + C, S, S]; see portable.py.

    Args:
      maps: Logits of the places, [N, h, w, C].
      thresholds: The probability from which on a place shows a class, [C].
    """
    bounds = np.clip(np.asarray(thresholds, np.float64), LOWEST_THRESHOLD, HIGHEST_THRESHOLD)
    rows, columns = (_bilinear(side, size_px) for side in maps.shape[1:3])
    scaled = np.einsum("yh,nhwc,xw->nyxc", rows, maps.astype(np.float64), columns)
    above = scaled - np.log(bounds / (1 - bounds))
    with_background = np.concatenate([np.zeros_like(above[..., :1]), above], axis=-1)
    powers = np.exp(with_background - with_background.max(axis=-1, keepdims=True))
    return np.moveaxis(powers / powers.sum(axis=-1, keepdims=True), -1, 1)


def _bilinear(num_cells: int, size_px: int) -> NDArray[np.float64]:
    """Returns the weights of cells at pixels, [S, cells], where the centres of both count, as tf.image.resize does."""
    place = np.clip((np.arange(size_px) + 0.5) * num_cells / size_px - 0.5, 0, num_cells - 1)
    weights: NDArray[np.float64] = np.maximum(0.0, 1 - np.abs(place[:, np.newaxis] - np.arange(num_cells)))
    return weights
