"""Functions of many small operations, compiled so that they go over their data once."""

import functools
from typing import Any

import tensorflow as tf


@functools.cache
def compiled(function: Any) -> Any:
    """Returns the function compiled for the device that steps run on, once for each shape of its arguments."""
    # On a processor such operations wait for memory, and one that moves single bytes takes a call for each; fused by
    # XLA they take a fifth of the time. A GPU has kernels for them.
    return tf.function(function, jit_compile=not tf.config.list_physical_devices("GPU"), autograph=False)
