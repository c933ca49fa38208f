"""Weights and multiplications of a network's convolutions and dense layers, from the shapes of its layers.

Multiplications are those of one tile, forward. Backward takes twice as many in either kind, so shares are the same.
  convolution: output height × width × filters × kernel height × width × input channels of a filter
  depthwise: the same with one input channel a filter; separable: depthwise, and then 1 × 1
  dense: places × inputs × outputs
"""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

import keras

from components.study.experiments.hybrid.networks import build_network

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


@dataclasses.dataclass(frozen=True)
class LayerCounts:
    """What a network has of each kind; norms and all else that is neither are left out.

    Attributes:
      convolution_weights, dense_weights: With biases.
      convolution_multiplications, dense_multiplications: For one tile, forward.
      dense_shapes: Inputs and outputs of each dense layer, in order.
    """

    convolution_weights: int = 0
    dense_weights: int = 0
    convolution_multiplications: int = 0
    dense_multiplications: int = 0
    dense_shapes: tuple[tuple[int, int], ...] = ()

    @property
    def dense_share_of_weights(self) -> float:
        """Share of the weights that is in dense layers, 0..1."""
        return self.dense_weights / (self.dense_weights + self.convolution_weights)

    @property
    def convolution_share_of_multiplications(self) -> float:
        """Share of the multiplications that convolutions do, 0..1."""
        return self.convolution_multiplications / (self.convolution_multiplications + self.dense_multiplications)


@functools.cache
def counts_of(name: str, num_classes: int) -> LayerCounts:
    """Returns the counts of a network by name; builds it once."""
    return count_layers(build_network(name, num_classes))


def count_layers(model: Any) -> LayerCounts:
    """Returns the counts of a keras.Model, whose models inside count with all their layers."""
    counts = LayerCounts()
    for layer in _flat(model):
        weights = sum(math.prod(variable.shape) for variable in layer.trainable_variables)
        if isinstance(layer, keras.layers.Dense):
            inputs, outputs = layer.kernel.shape
            places = math.prod(layer.output.shape[1:-1])
            counts = dataclasses.replace(
                counts,
                dense_weights=counts.dense_weights + weights,
                dense_multiplications=counts.dense_multiplications + places * inputs * outputs,
                dense_shapes=(*counts.dense_shapes, (inputs, outputs)),
            )
        elif isinstance(layer, _CONVOLUTIONS):
            places = math.prod(layer.output.shape[1:3])
            counts = dataclasses.replace(
                counts,
                convolution_weights=counts.convolution_weights + weights,
                convolution_multiplications=counts.convolution_multiplications + places * _by_place(layer),
            )
    return counts


def _by_place(layer: Any) -> int:
    """Returns multiplications of one place of the output: one for each weight of a kernel, biases left out."""
    return sum(math.prod(variable.shape) for variable in layer.trainable_variables if len(variable.shape) > 1)


def _flat(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        else:
            yield layer
