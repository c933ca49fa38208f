"""Converts stored bytes to what a backbone expects; part of the model, so that no caller can forget it.

Pixels outside the field boundary or the mask are replaced by the train split's mean of their band, which carries no
information for the model in any range.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components.agrivision import RGB_BANDS
from components.train.settings.backbones import CAFFE, CENTRED, IMAGENET, STANDARDIZED, SYMMETRIC

# ImageNet statistics for red, green and blue, as in keras.applications.
_CAFFE_MEAN = (123.68, 116.779, 103.939)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NUM_RGB = len(RGB_BANDS)
_RED, _NIR = 0, _NUM_RGB
_NDVI_UNIT = 127.5  # scales NDVI from -1..1 to -127.5..127.5, as wide a range as the bytes of the other bands


def scale_and_offset(
    name: str, band_mean: Sequence[float], band_std: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[int]]:
    """Returns the constants that convert bands in 0..255 to the range `name`: `x[order] * scale + offset`.

    RGB is scaled as the backbone's authors did. An additional band, which they did not have, is centred on its own
    mean, so that a blank pixel is 0, and scaled to the unit of RGB.

    Args:
      name: One of the ranges of backbones.py.
      band_mean, band_std: Mean and standard deviation of each band in the train split, in 0..1, [B].

    Returns:
      scale, offset: float32 [B]; the order of bands, [B].
    """
    mean, std = np.array(band_mean) * 255, np.maximum(np.array(band_std) * 255, 1.0)
    order = list(range(len(mean)))
    if name == STANDARDIZED:
        scale, offset = 1 / std, -mean / std
    elif name in (SYMMETRIC, CENTRED):
        scale, offset = np.full_like(mean, 1 / (127.5 if name == SYMMETRIC else 128.0)), np.full_like(mean, -1.0)
    elif name == IMAGENET:
        scale = np.full_like(mean, 1 / 255 / np.mean(_IMAGENET_STD))
        scale[:_NUM_RGB] = 1 / 255 / np.array(_IMAGENET_STD)
        offset = np.array([-m / s for m, s in zip(_IMAGENET_MEAN, _IMAGENET_STD, strict=True)] + [0.0] * len(mean))
        offset = offset[: len(mean)]
    elif name == CAFFE:
        scale, offset = np.ones_like(mean), -np.array([*_CAFFE_MEAN, *mean[_NUM_RGB:]])
        order[:_NUM_RGB] = [2, 1, 0]
    else:
        known = ", ".join((STANDARDIZED, SYMMETRIC, CENTRED, IMAGENET, CAFFE))
        raise ValueError(f"unknown range {name!r}; expected one of {known}")
    offset[_NUM_RGB:] = -mean[_NUM_RGB:] * scale[_NUM_RGB:]
    return scale[order].astype(np.float32), offset[order].astype(np.float32), order


class Preprocess(keras.layers.Layer):  # type: ignore[misc]
    """Converts stored pixels to the backbone's range.

    From image uint8 [N, S, S, B] and valid uint8 [N, S, S, 1] to float32 [N, S, S, B or B + 1]. With `ndvi`, the last
    band is (NIR - red) / (NIR + red), computed from bytes, because tiles hold no reflectances. Its value for a blank
    pixel is subtracted, and it has NIR's unit.
    """

    def __init__(
        self, range_name: str, band_mean: Sequence[float], band_std: Sequence[float], ndvi: bool = False
    ) -> None:
        super().__init__(name="preprocess", dtype="float32", autocast=False)
        self._scale, self._offset, self._order = scale_and_offset(range_name, band_mean, band_std)
        self._mean = (np.array(band_mean) * 255).astype(np.float32)
        self._ndvi = ndvi

    def call(self, image: Any, valid: Any) -> Any:
        """Returns the bands in the backbone's range; see the class."""
        pixels = keras.ops.cast(image, "float32")
        blanked = keras.ops.where(keras.ops.cast(valid, "bool"), pixels, self._mean)
        bands = blanked
        if self._order != sorted(self._order):
            bands = keras.ops.take(blanked, self._order, axis=-1)
        scaled = bands * self._scale + self._offset
        if not self._ndvi:
            return scaled
        index = _ndvi(blanked) - _ndvi(keras.ops.convert_to_tensor(self._mean))
        return keras.ops.concatenate([scaled, index * float(self._scale[_NIR] * _NDVI_UNIT)], axis=-1)

    def compute_output_shape(self, image_shape: Any, valid_shape: Any) -> Any:
        """Returns the image's shape, with one more band for NDVI."""
        return (*image_shape[:-1], image_shape[-1] + self._ndvi)


def _ndvi(pixels: Any) -> Any:
    """Returns the NDVI of pixels, [..., 1] in -1..1; 0 where both bands are black."""
    red, nir = pixels[..., _RED : _RED + 1], pixels[..., _NIR : _NIR + 1]
    return (nir - red) / keras.ops.maximum(nir + red, 1.0)
