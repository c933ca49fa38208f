"""Builds the models: preprocessing, a backbone, and a head that gives one logit per class."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from components.agrivision import RGB_BANDS
from components.train.model.batch_norm import normalize_over_replicas
from components.train.model.dense_head import dense_answers, with_feature_maps
from components.train.model.preprocessing import Preprocess
from components.train.model.stem import widen
from components.train.settings.backbones import BACKBONES
from components.train.settings.tuning.network import TILE_HEAD

_SMALL_WIDTHS = (24, 48, 96, 128)
# For batch normalisation's moving statistics. A short run has a few hundred steps, after which the published backbones'
# 0.99 to 0.9997 would still hold mostly initial values, and inference would differ widely from training.
_BATCH_NORM_MOMENTUM = 0.9


def build_model(
    backbone: str,
    image_size_px: int,
    num_classes: int,
    band_mean: Sequence[float],
    band_std: Sequence[float],
    *,
    ndvi: bool = False,
    is_pretrained: bool = False,
    head: str = TILE_HEAD,
) -> Any:
    """Returns a keras.Model from (image uint8 [N, S, S, B], valid uint8 [N, S, S, 1]) to logits float32 [N, C].

    With a dense head, it returns [logits, maps], see dense_head.py; S must then be a multiple of DENSE_MULTIPLE_PX.
    Its weights are always random; weight_file.py loads others.

    Args:
      backbone: One of BACKBONES.
      image_size_px: Side S of the input, pixels.
      num_classes: Number of classes C.
      band_mean, band_std: Mean and standard deviation of each band in the train split, in 0..1, [B].
      ndvi: Whether the backbone also sees NDVI; needs NIR.
      is_pretrained: Whether weights for three bands will be loaded; the kernels of additional bands are then separate,
        see stem.py.
      head: One of network.HEADS.
    """
    num_bands = len(band_mean)
    image = keras.Input((image_size_px, image_size_px, num_bands), dtype="uint8", name="image")
    valid = keras.Input((image_size_px, image_size_px, 1), dtype="uint8", name="valid")
    pixels = Preprocess(BACKBONES[backbone].pixel_range, band_mean, band_std, ndvi)(image, valid)
    network = _build_backbone(backbone, image_size_px, num_bands + ndvi, is_pretrained)
    if head != TILE_HEAD:
        feature_maps = with_feature_maps(network, BACKBONES[backbone].eighth)(pixels)
        answers = dense_answers(head, feature_maps, valid, num_classes, _BATCH_NORM_MOMENTUM)
        return keras.Model([image, valid], answers, name=backbone)
    features = network(pixels)
    # Always float32: sigmoid and softmax saturate early in half precision.
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(features)
    return keras.Model([image, valid], logits, name=backbone)


def backbone_of(model: Any) -> Any:
    """Returns the keras.Model from pixels to features inside a model from build_model."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def _build_backbone(name: str, image_size_px: int, num_bands: int, is_pretrained: bool) -> Any:
    """Returns a keras.Model from float32 [N, S, S, num_bands], in the backbone's range, to features [N, F]."""
    backbone = BACKBONES[name]
    shape = (image_size_px, image_size_px, len(RGB_BANDS) if is_pretrained else num_bands)
    if backbone.application:
        application = getattr(keras.applications, backbone.application)
        with warnings.catch_warnings():
            # Keras doubts that any network takes more bands than three; ours has a stem for them.
            warnings.filterwarnings("ignore", "This model usually expects 1 or 3 input channels")
            network = application(
                include_top=False, weights=None, input_shape=shape, pooling="avg", **backbone.arguments
            )
    else:
        network = _small(shape)
    if shape[-1] < num_bands:
        network = widen(network, backbone.stem, num_bands)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            normalize_over_replicas(layer, _BATCH_NORM_MOMENTUM)
    return network


def _small(shape: tuple[int, int, int]) -> Any:
    """Returns a network for the demo and CI that learns in two minutes on two cores."""
    layers = keras.layers
    x = pixels = keras.Input(shape, name="pixels")
    for level, width in enumerate(_SMALL_WIDTHS):
        kernel, strides = (5, 2) if level == 0 else (3, 1)
        name = f"level_{level}"
        x = layers.Conv2D(width, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.Activation("relu", name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(2)(x)
    # A pattern fills part of a tile: the strongest response shows that it is present, the mean how much of it there is.
    features = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return keras.Model(pixels, features, name="features")
