"""The models: preprocessing, a backbone, one logit per class.

Every backbone starts from random weights: published weights are for three bands, and a cluster
without internet could not fetch them.
"""

from collections.abc import Sequence
from typing import Any

import keras

from components.train.config import BACKBONES
from components.train.preprocessing import CAFFE, STANDARDIZED, SYMMETRIC, Preprocess

# How the pixels of each backbone are scaled, as its authors did.
RANGES = {"small": STANDARDIZED, "MobileNetV2": SYMMETRIC, "ResNet50": CAFFE, "NASNetLarge": SYMMETRIC}
assert RANGES.keys() == BACKBONES.keys()

_SMALL_WIDTHS = (24, 48, 96, 128)
# Of batch normalisation's moving statistics. A short run has some hundred steps, after which the 0.99 to 0.9997 of the
# published backbones would still hold mostly the initial values, and inference would have little to do with training.
_BATCH_NORM_MOMENTUM = 0.9


def build_model(
    backbone: str, image_size_px: int, num_classes: int, band_mean: Sequence[float], band_std: Sequence[float]
) -> Any:
    """Returns a keras.Model from (image uint8 [N, S, S, B], valid uint8 [N, S, S, 1]) to logits float32 [N, C].

    Args:
      backbone: One of BACKBONES.
      band_mean, band_std: of the train split, in 0..1, [B].
    """
    num_bands = len(band_mean)
    image = keras.Input((image_size_px, image_size_px, num_bands), dtype="uint8", name="image")
    valid = keras.Input((image_size_px, image_size_px, 1), dtype="uint8", name="valid")
    pixels = Preprocess(RANGES[backbone], band_mean, band_std)(image, valid)
    if backbone == "small":
        features = _small(pixels)
    else:
        application = getattr(keras.applications, backbone)
        shape = (image_size_px, image_size_px, num_bands)
        network = application(include_top=False, weights=None, input_shape=shape, pooling="avg")
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = _BATCH_NORM_MOMENTUM
        features = network(pixels)
    # float32 whatever the backbone's precision: sigmoid and softmax saturate early in half precision.
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(features)
    return keras.Model([image, valid], logits, name=backbone)


def _small(pixels: Any) -> Any:
    """Returns features [N, F] of a network for the demo and CI, which learns in two minutes on two cores.

    The moments of batch normalisation are taken over the global batch, so that N workers compute what one does.
    """
    layers = keras.layers
    x = pixels
    for level, width in enumerate(_SMALL_WIDTHS):
        kernel, strides = (5, 2) if level == 0 else (3, 1)
        x = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM, synchronized=True)(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(2)(x)
    # A pattern fills some part of a tile: its strongest response says that it is there, the mean how much of it.
    return layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
