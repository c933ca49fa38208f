"""Loads a published backbone's weights from a file, and reports the first layer that does not fit."""

import math
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from components.errors import DataError
from components.train.model.hdf5_check import NotWeights, check_array, finite_values, names_in, open_weights
from components.train.model.stem import WidenedConv2D

# Returns a layer's arrays in the file, given its index in the network and the layer; None if the file lacks it.
_Find: TypeAlias = Callable[[int, Any], Sequence[Any] | None]


def load_weights(network: Any, backbone: str, path: Path, source: str) -> None:
    """Loads a backbone's weights from a file with or without the classifier on top.

    Args:
      network: keras.Model as model.py builds it; the new bands of a widened stem keep their weights.
      backbone: Its name.
      path: `.weights.h5`, `.keras`, or a Keras 2 `.h5`, the format of the published files.
      source: Name of the file in error messages.

    Raises:
      DataError: If the file is damaged or for another network, naming the first layer that does not fit; or if it holds
        what no weights file needs, such as a reference to another file.
    """
    network_bytes = sum(4 * math.prod(variable.shape) for variable in network.weights)
    try:
        with open_weights(path, network_bytes) as file:
            find = _by_class(file, network) if "layers" in file else _by_order(file, network)
            for index, layer in enumerate(network.layers):
                if variables := _published(layer):
                    _check(backbone, layer, variables, find(index, layer), source)
            for index, layer in enumerate(network.layers):
                for variable, array in zip(_published(layer), find(index, layer) or (), strict=False):
                    variable.assign(finite_values(array, array.name))
    except NotWeights as error:
        raise DataError(f"weights {source!r} cannot be used: {error}; get the file from its publisher again") from error
    # Whatever damage does to h5py.
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"weights {source!r} cannot be read: {reason}; get the file again") from error


def _published(layer: Any) -> list[Any]:
    new = {id(layer.new_bands)} if isinstance(layer, WidenedConv2D) else set()
    return [variable for variable in layer.weights if id(variable) not in new]


def _by_class(file: Any, network: Any) -> _Find:
    """Finds layers in a Keras 3 file, which names a layer by its class and the number of such layers before it."""
    counts: dict[str, int] = {}
    names = []
    for layer in network.layers:
        name = _snake_case("Conv2D" if isinstance(layer, WidenedConv2D) else type(layer).__name__)
        counts[name] = counts.get(name, -1) + 1
        names.append(f"{name}_{counts[name]}" if counts[name] else name)

    def find(index: int, layer: Any) -> Sequence[Any] | None:
        arrays = file["layers"].get(f"{names[index]}/vars")
        return None if arrays is None else [arrays[str(number)] for number in range(len(arrays))]

    return find


def _by_order(file: Any, network: Any) -> _Find:
    """Finds layers in a Keras 2 file by their order, since later versions changed names; the classifier comes last."""
    root = file.get("model_weights", file)  # a whole model has a group for its weights; a weight file does not
    groups = [root[name] for name in names_in(root, "layer_names") if not name.startswith("normalization")]
    groups = [group for group in groups if names_in(group, "weight_names")]
    place = {layer.name: number for number, layer in enumerate(one for one in network.layers if _published(one))}

    def find(index: int, layer: Any) -> Sequence[Any] | None:
        if layer.name not in place or place[layer.name] >= len(groups):
            return None
        group = groups[place[layer.name]]
        return [group[name] for name in names_in(group, "weight_names")]

    return find


def _check(backbone: str, layer: Any, variables: Sequence[Any], arrays: Sequence[Any] | None, source: str) -> None:
    what = f"weights {source!r} are not for {backbone} with three bands: layer {layer.name!r}"
    expected = {variable.name: list(variable.shape) for variable in variables}
    if arrays is None:
        raise DataError(f"{what}, with {_shapes(expected.values())}, is not in the file")
    for array in arrays:
        check_array(array, array.name)
    if [list(array.shape) for array in arrays] != list(expected.values()):
        found = _shapes(list(array.shape) for array in arrays)
        raise DataError(f"{what} has {_shapes(expected.values())}, but the file has {found}")


def _shapes(shapes: Any) -> str:
    return " and ".join(map(str, shapes)) or "nothing"


def _snake_case(name: str) -> str:
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
