"""A digest of what a SavedModel computes, which is the same for equal models however they were exported.

The bytes of `saved_model.pb` are not: TensorFlow numbers functions and nodes by what its process did before, so a
training that was interrupted and resumed exports other names. Here a node counts by its operation, its attributes and
what flows into it, and a function by its nodes; no name counts.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

from components.errors import DataError

# Names of other nodes and functions, and shapes that follow from the rest.
_SKIPPED_ATTRIBUTES = frozenset({"_class", "_gradient_op_type", "_input_shapes", "_output_shapes", "debug_name"})
_ARGUMENT = "argument"
_VARIABLE = "VarHandleOp"


def graph_digest(saved_model: Any) -> str:
    """Returns the sha256 of a SavedModel's graph: its functions, signatures and objects, without values of variables.

    Args:
      saved_model: The parsed `saved_model.pb`, from allowed_ops.read_graph.

    Raises:
      DataError: if nodes or functions refer to ones that do not exist, or go round in circles.
    """
    (meta,) = saved_model.meta_graphs
    functions = _Functions({each.signature.name: each for each in meta.graph_def.library.function})
    places = _places_of_variables(meta.object_graph_def)
    nodes = _node_digests(meta.graph_def.node, {}, functions.digest, places)
    signatures = [
        [name, signature.method_name, _tensors(signature.inputs, nodes), _tensors(signature.outputs, nodes)]
        for name, signature in sorted(meta.signature_def.items())
    ]
    # Saving goes uncounted: it writes the names of variables, too, and nobody saves a loaded model by its graph.
    restore = _source(meta.saver_def.restore_op_name, nodes)
    return _sha256([restore, signatures, _objects(meta.object_graph_def, functions.digest)])


class _Functions:
    """The digests of a graph's functions, each computed when it is first asked for."""

    def __init__(self, by_name: Mapping[str, Any]) -> None:
        self._by_name = by_name
        self._digests: dict[str, str] = {}
        self._pending: set[str] = set()

    def digest(self, name: str) -> str:
        if name not in self._digests:
            if name not in self._by_name or name in self._pending:
                raise DataError(f"its function {name!r} does not exist, or calls itself")
            self._pending.add(name)
            self._digests[name] = self._compute(self._by_name[name])
        return self._digests[name]

    def _compute(self, function: Any) -> str:
        signature = function.signature
        arguments = {each.name: _sha256([_ARGUMENT, place]) for place, each in enumerate(signature.input_arg)}
        nodes = _node_digests(function.node_def, arguments, self.digest, {})
        kinds = [[each.type for each in arg] for arg in (signature.input_arg, signature.output_arg)]
        returned = [_source(function.ret[each.name], nodes) for each in signature.output_arg]
        kept = sorted(_source(node, nodes) for node in function.control_ret.values())
        return _sha256([kinds, sorted(nodes.values()), returned, kept])


def _places_of_variables(objects: Any) -> dict[bytes, int]:
    """Returns the place of each variable among the objects by its name, which holds a number of the process, too."""
    return {node.variable.name.encode(): place for place, node in enumerate(objects.nodes) if node.variable.name}


def _node_digests(
    nodes: Iterable[Any], arguments: Mapping[str, str], function: Callable[[str], str], places: Mapping[bytes, int]
) -> dict[str, str]:
    """Returns the digest of each node and argument by name.

    Args:
      nodes: Of the whole graph, or of one function.
      arguments: The digest of each argument by name.
      function: Returns the digest of a function.
      places: From _places_of_variables.
    """
    by_name = {node.name: node for node in nodes}
    digests = dict(arguments)
    for first in by_name:
        waiting = [(first, False)]
        open_names: set[str] = set()
        while waiting:
            name, inputs_are_done = waiting.pop()
            if name in digests:
                continue
            if name not in by_name:
                raise DataError(f"its node {name!r} does not exist")
            node = by_name[name]
            if inputs_are_done:
                data = [_source(each, digests) for each in node.input if not each.startswith("^")]
                control = sorted(_source(each, digests) for each in node.input if each.startswith("^"))
                variable = places.get(node.attr["shared_name"].s) if node.op == _VARIABLE else None
                attributes = _attributes(node.attr, function, {"shared_name"} if variable is not None else set())
                digests[name] = _sha256([node.op, attributes, variable, data, control])
                continue
            if name in open_names:
                raise DataError(f"its node {name!r} is an input of itself")
            open_names.add(name)
            waiting.append((name, True))
            waiting += [(_name(each), False) for each in node.input]
    return digests


def _name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _source(tensor: str, digests: Mapping[str, str]) -> str:
    name = _name(tensor)
    if name not in digests:
        raise DataError(f"its node {name!r} does not exist")
    return f"{digests[name]}:{tensor.partition(':')[2]}"


def _attributes(attributes: Mapping[str, Any], function: Callable[[str], str], skipped: Set[str]) -> list[Any]:
    return [
        [name, _attribute(value, function)]
        for name, value in sorted(attributes.items())
        if name not in _SKIPPED_ATTRIBUTES and name not in skipped
    ]


def _attribute(value: Any, function: Callable[[str], str]) -> Any:
    kind = value.WhichOneof("value")
    if kind == "func":
        # Empty where there is none, such as the function of a call that was inlined.
        return [function(value.func.name) if value.func.name else "", _attributes(value.func.attr, function, set())]
    if kind == "list" and value.list.func:
        return [[function(each.name), _attributes(each.attr, function, set())] for each in value.list.func]
    return value.SerializeToString(deterministic=True).hex()


def _tensors(tensors: Mapping[str, Any], nodes: Mapping[str, str]) -> list[Any]:
    return [
        [name, _source(info.name, nodes), info.dtype, info.tensor_shape.SerializeToString(deterministic=True).hex()]
        for name, info in sorted(tensors.items())
    ]


def _objects(graph: Any, function: Callable[[str], str]) -> list[Any]:
    """Returns the objects in their order, and their functions, with digests in place of functions' names."""
    nodes = []
    for node in graph.nodes:
        # A shallow copy would share the names that are changed here.
        copy = type(node)()
        copy.CopyFrom(node)
        kind = copy.WhichOneof("kind")
        if kind == "variable":
            copy.variable.name = ""
        elif kind == "captured_tensor":
            copy.captured_tensor.name = ""
            copy.captured_tensor.concrete_function = function(copy.captured_tensor.concrete_function)
        elif kind == "function":
            copy.function.concrete_functions[:] = [function(name) for name in copy.function.concrete_functions]
        elif kind == "bare_concrete_function":
            copy.bare_concrete_function.concrete_function_name = function(
                copy.bare_concrete_function.concrete_function_name
            )
        nodes.append(copy.SerializeToString(deterministic=True).hex())
    concrete = sorted(
        [function(name), value.SerializeToString(deterministic=True).hex()]
        for name, value in graph.concrete_functions.items()
    )
    return [nodes, concrete]


def _sha256(content: object) -> str:
    # The text of nested lists of strings and numbers, which is one for one.
    return hashlib.sha256(repr(content).encode()).hexdigest()
