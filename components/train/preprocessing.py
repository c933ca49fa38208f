"""From stored bytes to what a backbone expects; part of the model, so that nobody can forget it.

A pixel outside the field boundary or the mask is replaced by the train split's mean of its band,
which tells the model nothing, in any range.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

STANDARDIZED = "standardized"  # each band to mean 0 and standard deviation 1 over the train split
SYMMETRIC = "symmetric"  # 0..255 to -1..1
CAFFE = "caffe"  # blue, green, red, NIR, less the band's mean, still in units of 0..255

# The means of ImageNet that keras.applications subtracts for ResNet50, in red, green, blue.
_CAFFE_RGB_MEAN = (123.68, 116.779, 103.939)


def scale_and_offset(
    name: str, band_mean: Sequence[float], band_std: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[int]]:
    """Returns what turns bands in 0..255 into the range `name`: `x[order] * scale + offset`.

    Args:
      name: STANDARDIZED, SYMMETRIC or CAFFE.
      band_mean, band_std: of the train split, in 0..1, [B].

    Returns:
      scale, offset: float32 [B]; the order of bands, [B].
    """
    mean, std = np.array(band_mean) * 255, np.maximum(np.array(band_std) * 255, 1.0)
    order = list(range(len(mean)))
    if name == STANDARDIZED:
        scale, offset = 1 / std, -mean / std
    elif name == SYMMETRIC:
        scale, offset = np.full_like(mean, 1 / 127.5), np.full_like(mean, -1.0)
    elif name == CAFFE:
        # There is no ImageNet mean for NIR; its own stands in.
        offset = -np.array([*_CAFFE_RGB_MEAN, *mean[3:]])
        scale, order[:3] = np.ones_like(mean), [2, 1, 0]
    else:
        raise ValueError(f"unknown range {name!r}; expected one of {STANDARDIZED}, {SYMMETRIC}, {CAFFE}")
    return scale[order].astype(np.float32), offset[order].astype(np.float32), order


class Preprocess(keras.layers.Layer):  # type: ignore[misc]
    """image uint8 [N, S, S, B], valid uint8 [N, S, S, 1] -> float32 [N, S, S, B] in the backbone's range."""

    def __init__(self, range_name: str, band_mean: Sequence[float], band_std: Sequence[float]) -> None:
        super().__init__(name="preprocess", dtype="float32", autocast=False)
        self._scale, self._offset, self._order = scale_and_offset(range_name, band_mean, band_std)
        self._mean = (np.array(band_mean) * 255).astype(np.float32)

    def call(self, image: Any, valid: Any) -> Any:
        pixels = keras.ops.cast(image, "float32")
        blanked = keras.ops.where(keras.ops.cast(valid, "bool"), pixels, self._mean)
        if self._order != sorted(self._order):
            blanked = keras.ops.take(blanked, self._order, axis=-1)
        return blanked * self._scale + self._offset

    def compute_output_shape(self, image_shape: Any, valid_shape: Any) -> Any:
        return image_shape
