"""How many bytes devices send each other in a step, computed from a network's shapes.

Data parallelism adds up the gradients of all weights. Hybrid parallelism (Krizhevsky 2014) does so for convolutions
alone, and cuts dense layers into columns and rows by turns (Shoeybi et al. 2019, Megatron-LM, section 3), so that each
device has a part of their weights and sees the features of all tiles:

  all-gather of the features, forward; reduce-scatter of their gradient, backward
  after a layer cut in rows: all-reduce of its outputs, forward
  before a later layer cut in columns: all-reduce of its inputs' gradient, backward
  after the last layer, if cut in columns: all-gather of its outputs

In a ring of N devices, all of them together send (N − 1) numbers for each number that is gathered or scattered, and
2 (N − 1) for each that is reduced for all (Patarasu and Yuan 2009).
"""

from collections.abc import Sequence

from components.study.experiments.hybrid.layer_counts import LayerCounts

BYTES_OF_NUMBER = 4  # float32


def bytes_by_data(counts: LayerCounts, num_devices: int) -> int:
    """Returns the bytes of a step that data parallelism sends between devices."""
    weights = counts.convolution_weights + counts.dense_weights
    return 2 * (num_devices - 1) * weights * BYTES_OF_NUMBER


def bytes_by_hybrid(counts: LayerCounts, num_devices: int, batch_size: int) -> int:
    """Returns the bytes of a step that hybrid parallelism sends between devices.

    Args:
      batch_size: Tiles of a step over all devices.
    """
    features = counts.dense_shapes[0][0] if counts.dense_shapes else 0
    numbers = 2 * counts.convolution_weights + 2 * batch_size * features
    numbers += 2 * batch_size * sum(reduced_activations(counts.dense_shapes))
    numbers += batch_size * _gathered_at_the_end(counts.dense_shapes)
    return (num_devices - 1) * numbers * BYTES_OF_NUMBER


def reduced_activations(dense_shapes: Sequence[tuple[int, int]]) -> list[int]:
    """Returns the numbers of a tile in each all-reduce between dense layers, forward and then backward."""
    forward = [outputs for _, outputs in dense_shapes[1::2]]
    backward = [inputs for inputs, _ in dense_shapes[2::2]]
    return [*forward, *backward]


def _gathered_at_the_end(dense_shapes: Sequence[tuple[int, int]]) -> int:
    return dense_shapes[-1][1] if len(dense_shapes) % 2 else 0


def dtensor_numbers(counts: LayerCounts, batch_size: int, *, is_hybrid: bool) -> int:
    """Returns the numbers that DTensor reduces in a step on CPUs, where a gather is an all-reduce of zeros and parts.

    One more is the loss of a batch that is cut among devices.
    """
    if not is_hybrid:
        return counts.convolution_weights + counts.dense_weights + 1
    features = counts.dense_shapes[0][0]
    activations = sum(reduced_activations(counts.dense_shapes)) + _gathered_at_the_end(counts.dense_shapes)
    return counts.convolution_weights + batch_size * (2 * features + activations)
