"""The shapes of the small network like AlexNet that is trained on two devices: most of its weights are dense."""

import math

from components.study.experiments.hybrid.layer_counts import LayerCounts

BATCH_SIZE, IMAGE_SHAPE, NUM_CLASSES = 16, (32, 32, 4), 8
STRIDES = (4, 2)  # of the convolutions
_FEATURES, _HIDDEN = 4 * 4 * 32, 256
_DENSE = ((_FEATURES, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, NUM_CLASSES))
# Multiples of 1,024, to which DTensor would fill up a weight that it reduces together with others.
_CONVOLUTIONS = ((4, 4, 4, 16), (4, 4, 16, 32))
KERNELS: tuple[tuple[int, ...], ...] = (*_CONVOLUTIONS, *_DENSE)

# Multiplications by the places of each convolution's output, 8 × 8 and 4 × 4.
SMALL_ALEXNET = LayerCounts(
    convolution_weights=sum(map(math.prod, _CONVOLUTIONS)),
    dense_weights=sum(map(math.prod, _DENSE)),
    convolution_multiplications=8 * 8 * math.prod(_CONVOLUTIONS[0]) + 4 * 4 * math.prod(_CONVOLUTIONS[1]),
    dense_multiplications=sum(map(math.prod, _DENSE)),
    dense_shapes=_DENSE,
)
