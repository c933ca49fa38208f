"""Widens a backbone for three bands, so that it accepts more.

Published weights are for red, green and blue. The kernels of NIR and NDVI start at zero: whatever
these bands show, the first features are exactly those of the published backbone. A kernel's gradient
is its input times the gradient from above, so it is not zero, and the new kernels learn from the
first step on. The other common choice, the mean of the RGB kernels, changes the features as soon as
NIR shows anything, and NIR is bright where red is dark.

The new kernels are a separate variable, so that they can learn while the published ones are frozen.
"""

from typing import Any

import keras


class WidenedConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution whose last `num_new_bands` input bands have separate kernels, which start at zero.

    The published variables come first and keep their published shapes; `new_bands` is [height, width, new, filters].
    """

    def __init__(self, num_new_bands: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.num_new_bands = num_new_bands

    def build(self, input_shape: Any) -> None:
        """Creates the published variables, and then the kernels of the new bands."""
        super().build((*input_shape[:-1], input_shape[-1] - self.num_new_bands))
        self.input_spec = None  # it names the number of published bands
        shape = (*self.kernel_size, self.num_new_bands, self.filters)
        self.new_bands = self.add_weight(name="new_bands", shape=shape, initializer="zeros")

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Returns the convolution of all bands; `kernel` is the published one."""
        return super().convolution_op(inputs, keras.ops.concatenate([kernel, self.new_bands], axis=-2))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the output shape, which does not depend on the number of bands."""
        return super().compute_output_shape((*input_shape[:-1], input_shape[-1] - self.num_new_bands))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that create an equal layer."""
        return {**super().get_config(), "num_new_bands": self.num_new_bands}


def widen(network: Any, stem: str, num_bands: int) -> Any:
    """Returns a new keras.Model, a copy of `network` that takes `num_bands` bands.

    Args:
      network: keras.Model from float32 [N, S, S, b] to features.
      stem: Name of its only layer that sees the bands.
      num_bands: Number of bands of the copy, more than b.
    """
    height, width, published = network.input_shape[1:]

    def copy(layer: Any) -> Any:
        if layer.name != stem:
            return layer.__class__.from_config(layer.get_config())
        return WidenedConv2D.from_config({**layer.get_config(), "num_new_bands": num_bands - published})

    image = keras.Input((height, width, num_bands), name="pixels")
    return keras.models.clone_model(network, input_tensors=image, clone_function=copy)
