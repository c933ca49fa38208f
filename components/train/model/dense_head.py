"""Heads that also say where: maps of logits by class, beside the answer for the tile.

A map has a cell for each square of pixels, and a logit by class for each cell; each class is a plane of its own, since
labels may overlap. Both heads are small, so that they run where the backbone runs.

  cam: One convolution of size 1 on the backbone's last feature map, at 1/32 of the image (Zhou et al., Learning Deep
    Features for Discriminative Localization, CVPR 2016). The answer for the tile is pooled from the maps, so it is
    explained by them.
  lraspp: LR-ASPP at 1/8 (Howard et al., Searching for MobileNetV3, ICCV 2019, section 6.4): the last feature map, gated
    by its mean and enlarged, plus finer features. The answer for the tile comes from the pooled features, as from the
    head "tile", because a class that shows on 0.2 % of a tile is easily lost in cells.
"""

from typing import Any

import keras

from components.train.model.activation_map import last_poolings
from components.train.model.batch_norm import normalize_over_replicas
from components.train.settings.tuning.network import CAM_HEAD

_WIDTH = 128  # channels of LR-ASPP's upper branch, as in the paper
_LEAST_SHARE = 1e-6  # of a tile, below which a class counts as absent; its logarithm is that of the next line
_LEAST_LOGIT = -13.8


def with_feature_maps(network: Any, eighth: str) -> Any:
    """Returns a backbone that gives its features, [N, F], its last feature map, and the one of the layer `eighth`.

    It has the same layers in the same order, so that published weights fit and blocks are unfrozen as before.
    """
    maps = [last_poolings(network)[0].input, network.get_layer(eighth).output]
    return keras.Model(network.inputs, [network.output, *maps], name=network.name)


def has_maps(model: Any) -> bool:
    """Returns whether a model of build_model has a dense head: its answers are then [logits, maps]."""
    return len(model.outputs) > 1


def dense_answers(head: str, feature_maps: list[Any], valid: Any, num_classes: int, momentum: float) -> list[Any]:
    """Returns a dense head's answers: logits float32 [N, C], maps float32 [N, h, w, C].

    Args:
      head: One of network.HEADS, but "tile".
      feature_maps: What with_feature_maps' backbone returns.
      valid: uint8 [N, S, S, 1]; S is a multiple of h and w.
      num_classes: C.
      momentum: Of batch normalisation.
    """
    features, last, eighth = feature_maps
    if head == CAM_HEAD:
        maps = _to_classes(num_classes, "maps")(last)
        return [PooledMaps(num_classes)(maps, ValidShare(*maps.shape[1:3])(valid)), maps]
    layers = keras.layers
    upper = layers.Conv2D(_WIDTH, 1, use_bias=False, name="upper_conv")(last)
    normalization = layers.BatchNormalization(name="upper_bn")
    normalize_over_replicas(normalization, momentum)
    upper = layers.Activation("relu", name="upper_relu")(normalization(upper))
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="gate_mean")(last)
    gate = layers.Conv2D(_WIDTH, 1, use_bias=False, activation="sigmoid", name="gate_conv")(mean)
    enlarged = Enlarge(*eighth.shape[1:3])(layers.Multiply(name="gated")([upper, gate]))
    maps = layers.Add(name="maps", dtype="float32")(
        [_to_classes(num_classes, "upper_maps")(enlarged), _to_classes(num_classes, "lower_maps")(eighth)]
    )
    return [layers.Dense(num_classes, dtype="float32", name="logits")(features), maps]


def _to_classes(num_classes: int, name: str) -> Any:
    # Always float32, as the logits of a tile.
    return keras.layers.Conv2D(num_classes, 1, dtype="float32", name=name)


class Enlarge(keras.layers.Layer):  # type: ignore[misc]
    """Resizes feature maps, [N, h, w, F], to other sides, bilinearly."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__(name="enlarge")
        self._sides = height, width

    def call(self, maps: Any) -> Any:
        """Returns the resized maps."""
        return keras.ops.image.resize(maps, self._sides, interpolation="bilinear")


class ValidShare(keras.layers.Layer):  # type: ignore[misc]
    """The share of valid pixels in each cell, float32 [N, h, w, 1], from uint8 [N, S, S, 1]."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__(name="valid_share", dtype="float32", autocast=False)
        self._cells = height, width

    def call(self, valid: Any) -> Any:
        """Returns the shares."""
        (height, width), side = self._cells, valid.shape[1]
        in_cells = keras.ops.reshape(valid, (-1, height, side // height, width, side // width))
        return keras.ops.mean(keras.ops.cast(in_cells, "float32"), axis=(2, 4))[..., None]


class PooledMaps(keras.layers.Layer):  # type: ignore[misc]
    """The logits of tiles, float32 [N, C], from their maps; cells without a valid pixel are left out.

    A tile has a class if a share of its valid pixels has it. So a logit grows with the logarithm of the share that the
    maps predict, and with the strongest cell, which does not drown in what many weak cells add up to; by how much, and
    from where on, is learned for each class.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(name="logits", dtype="float32", autocast=False)
        # Of one dimension, because weights with more of them decay.
        self._of_share, self._of_strongest, self._bias = (
            self.add_weight(shape=(num_classes,), initializer=initial, name=name)
            for name, initial in (("of_share", "ones"), ("of_strongest", "ones"), ("bias", "zeros"))
        )

    def call(self, maps: Any, valid_share: Any) -> Any:
        """Returns the logits."""
        ops = keras.ops
        area = ops.sum(valid_share * ops.sigmoid(maps), axis=(1, 2))  # [N, C], in cells
        share = area / ops.maximum(ops.sum(valid_share, axis=(1, 2)), _LEAST_SHARE)
        strongest = ops.max(ops.where(valid_share > 0, maps, _LEAST_LOGIT), axis=(1, 2))
        of_share = self._of_share * ops.log(ops.maximum(share, _LEAST_SHARE))
        return of_share + self._of_strongest * strongest + self._bias
