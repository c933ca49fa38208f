"""The variables of a training as arrays on the host, and back: what a checkpoint holds. Imports no TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WEIGHTS = "model/"  # how the names of the model's own variables begin


def named_variables(model: Any, average: Any = None, optimizer: Any = None) -> dict[str, Any]:
    """Returns the tf.Variables of these by names that are the same in every process that builds the same.

    Keras numbers layers by process, so a variable's place counts, and the last part of its name.

    Args:
      model: keras.Model.
      average, optimizer: have variables as public attributes, or in lists of lists of such; None if there is none.
    """
    named = {f"{WEIGHTS}{place:05d}/{each.name}": each.value for place, each in enumerate(model.variables)}
    for name, module in (("average", average), ("optimizer", optimizer)):
        if module is not None:
            public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
            named.update(_flattened(name, public))
    return named


def _flattened(path: str, value: Any) -> dict[str, Any]:
    if hasattr(value, "assign"):
        return {path: value}
    if isinstance(value, Sequence):
        value = {f"{place:05d}": member for place, member in enumerate(value)}
    found: dict[str, Any] = {}
    for key in sorted(value) if isinstance(value, Mapping) else ():
        found.update(_flattened(f"{path}/{key}", value[key]))
    return found


def copy_to_host(variables: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Returns copies that no later step changes."""
    return {name: np.asarray(variable.numpy()) for name, variable in variables.items()}


def copy_to_device(arrays: Mapping[str, NDArray[Any]], variables: Mapping[str, Any], partial: bool = False) -> None:
    """Gives each of the variables its array.

    Args:
      partial: There may be arrays for which there is no variable, e.g. of the optimizer where only the model is wanted.

    Raises:
      ValueError: if they are those of another model.
    """
    unused = [] if partial else sorted(set(arrays) - set(variables))
    for name in [*sorted(set(variables) - set(arrays)), *unused]:
        raise ValueError(f"{name} is in only one of checkpoint and training")
    for name, variable in variables.items():
        array = arrays[name]
        if tuple(variable.shape) != array.shape or variable.dtype.as_numpy_dtype != array.dtype:
            raise ValueError(f"{name} is {array.dtype}{list(array.shape)} in the checkpoint, and {variable} here")
    for name, variable in variables.items():
        variable.assign(arrays[name])
