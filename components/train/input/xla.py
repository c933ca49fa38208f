"""Compiles functions of many small operations, so that they pass over their data only once."""

import functools
from typing import Any

import tensorflow as tf


@functools.cache
def compiled(function: Any) -> Any:
    """Returns the function, compiled for the device that runs the steps, once per shape of its arguments."""
    # On a CPU, such operations wait for memory, and those that move single bytes need a call for each; fused by XLA,
    # they take a fifth of the time. A GPU has kernels for them.
    return tf.function(function, jit_compile=not tf.config.list_physical_devices("GPU"), autograph=False)
