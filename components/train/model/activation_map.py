"""Class-activation maps: what each place of a tile adds to the logit of each class.

The network ends in the mean of its last feature map over all places, and one matrix. As both are linear, they may
change places: a class's weights times the features at a place are what this place adds, and the mean over the places,
plus the bias, is the logit (Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016). So a map
explains the answer itself, and no approximation of it.

The network `small` takes the maximum beside the mean. A maximum comes from one place, so all of its part of the logit
stands there; where several places are equal, each has an equal share.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from components.train.model.preprocessing import Preprocess

# (image uint8 [N, S, S, B], valid uint8 [N, S, S, 1]) -> float32 [N, h, w, C]
Maps: TypeAlias = Callable[[Any, Any], Any]


def activation_maps(model: Any, backbone: Any) -> Maps:
    """Returns the function that gives a model's maps, whose mean over the places, plus the bias, is the logit.

    Args:
      model: From build_model.
      backbone: The keras.Model from pixels to features inside it.

    Raises:
      ValueError: if the backbone does not end in a mean over all places, or in that and a maximum.
    """
    poolings = _poolings(backbone)
    to_features = keras.Model(backbone.inputs, poolings[0].input)
    preprocess = next(layer for layer in model.layers if isinstance(layer, Preprocess))
    kernel, num_features = model.get_layer("logits").kernel, to_features.output_shape[-1]

    def maps(image: Any, valid: Any) -> Any:
        features = tf.cast(to_features(preprocess(image, valid), training=False), tf.float32)  # [N, h, w, F]
        # The kernel is [F of all poolings, C], in the order of the poolings.
        starts = range(0, len(poolings) * num_features, num_features)
        weights = [kernel.value[start : start + num_features] for start in starts]
        return tf.add_n([_at_places(layer, features, of) for layer, of in zip(poolings, weights, strict=True)])

    return maps


def _poolings(backbone: Any) -> list[Any]:
    """Returns the layers that pool the last feature map, in the order of the features."""
    last = backbone.layers[-1]
    made_by = [tensor._keras_history.operation for tensor in _inputs(last)]
    poolings = made_by if isinstance(last, keras.layers.Concatenate) else [last]
    known = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
    if not all(isinstance(layer, known) for layer in poolings) or len({id(layer.input) for layer in poolings}) != 1:
        names = ", ".join(type(layer).__name__ for layer in poolings)
        raise ValueError(f"backbone {backbone.name} must end in a mean or maximum of one feature map, got {names}")
    return poolings


def _inputs(layer: Any) -> list[Any]:
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _at_places(pooling: Any, features: Any, weights: Any) -> Any:
    """Returns what each place adds to each logit through a pooling, [N, h, w, C]; `weights` are [F, C]."""
    if isinstance(pooling, keras.layers.GlobalMaxPooling2D):
        largest = tf.cast(tf.equal(features, tf.reduce_max(features, axis=(1, 2), keepdims=True)), tf.float32)
        # Times the number of places, because the mean over them follows.
        features = features * largest / tf.reduce_mean(largest, axis=(1, 2), keepdims=True)
    return tf.nn.conv2d(features, weights[tf.newaxis, tf.newaxis], strides=1, padding="VALID")
