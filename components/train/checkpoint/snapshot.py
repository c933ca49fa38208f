"""Copies a training's variables to arrays on the host, for a checkpoint, and back. Imports no TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WEIGHTS = "model/"  # prefix of the names of the model's own variables


def named_variables(model: Any, average: Any = None, optimizer: Any = None) -> dict[str, Any]:
    """Returns the tf.Variables of these objects, by names that are the same in every process that builds the same.

    Keras numbers layers per process, so a name consists of the variable's place and the last part of its Keras name.

    Args:
      model: keras.Model.
      average, optimizer: Objects with variables, or nested lists of variables, as public attributes; None for none.
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
    """Returns copies of the variables that later steps do not change."""
    return {name: np.asarray(variable.numpy()) for name, variable in variables.items()}


def copy_to_device(arrays: Mapping[str, NDArray[Any]], variables: Mapping[str, Any], partial: bool = False) -> None:
    """Assigns each variable its array.

    Args:
      arrays: Values by name.
      variables: Variables by name.
      partial: Ignore arrays without a variable, e.g. the optimizer's when only the model is restored.

    Raises:
      ValueError: If the arrays belong to another model.
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
