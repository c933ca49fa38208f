"""What a SavedModel may do: the operations that our own models consist of, and no other.

TensorFlow runs parts of a SavedModel while it loads it, and some operations read files, write files or call Python. So
the graph is read as a message, and compared with the list below, before TensorFlow is given the model.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.errors import DataError
from components.saved_model.files import GRAPH

# Each computes its result from its inputs alone.
_NUMBERS = (
    "Abs",
    "AddN",
    "AddV2",
    "BiasAdd",
    "Cast",
    "FloorDiv",
    "Log",
    "MatMul",
    "Maximum",
    "Minimum",
    "Mul",
    "RealDiv",
    "RightShift",
)
_MORE_NUMBERS = (
    "Round",
    "Rsqrt",
    "Square",
    "Sub",
    "All",
    "ArgMax",
    "Max",
    "Mean",
    "Sum",
    "Equal",
    "Greater",
    "GreaterEqual",
    "Less",
    "LessEqual",
)
_LAYERS = (
    "AvgPool",
    "Conv2D",
    "DepthwiseConv2dNative",
    "MaxPool",
    "Relu",
    "Relu6",
    "Sigmoid",
    "Softmax",
    "Pad",
    "PadV2",
)
_PIXELS = (
    "DecodeJpeg",
    "DecodePng",
    "ExtractJpegShape",
    "ResizeBilinear",
    "ResizeNearestNeighbor",
    "ScaleAndTranslate",
)
_SHAPES = (
    "BroadcastTo",
    "ConcatV2",
    "EnsureShape",
    "ExpandDims",
    "Fill",
    "GatherV2",
    "OneHot",
    "Pack",
    "Reshape",
    "Shape",
    "Size",
    "Unpack",
)
_VALUES = ("Const", "Identity", "IdentityN", "NoOp", "Select", "SelectV2", "Squeeze", "StridedSlice")
_TRUTH = ("LogicalAnd", "LogicalNot")
# Those that the limits of images are checked with (components/records/graph_limits.py), too.
_TEXT = ("DecodeRaw", "StaticRegexFullMatch", "StringJoin", "StringLength", "StringSplitV2", "Substr")
_LISTS = ("FromTensor", "GetItem", "Reserve", "SetItem", "Stack")
# Each calls functions of the same graph, or reads the model's own variables, or ends the model with an error.
_CALLS = ("If", "PartitionedCall", "StatefulPartitionedCall", "StatelessIf", "StatelessWhile", "While")
_REST = ("Assert", "Placeholder", "ReadVariableOp", "VarHandleOp")
ALLOWED_OPS = frozenset(
    (*_NUMBERS, *_MORE_NUMBERS, *_LAYERS, *_PIXELS, *_SHAPES, *_VALUES, *_TRUTH, *_TEXT, *_CALLS, *_REST)
) | {f"TensorList{name}" for name in _LISTS}
# Reading and writing variables, which TensorFlow puts into two functions that nothing else may call.
SAVER_OPS = frozenset(
    ("AssignVariableOp", "DisableCopyOnRead", "MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename")
)
# What is loaded as anything but plain containers may run code of its own.
_OBJECTS = frozenset(["user_object", "function", "bare_concrete_function", "variable", "captured_tensor", "constant"])
_CONTAINERS = frozenset(["_generic_user_object", "signature_map", "trackable_dict_wrapper", "trackable_list_wrapper"])


def read_graph(folder: Path) -> Any:
    """Returns the parsed `saved_model.pb` of a model that may be loaded; executes nothing.

    Raises:
      DataError: if it is damaged, or holds what our own models do not; the message names it.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((folder / GRAPH).read_bytes())
    except DecodeError as error:
        raise DataError(f"its {GRAPH} is damaged: {error}") from error
    if len(saved_model.meta_graphs) != 1:
        raise DataError(f"its {GRAPH} must hold one graph, got {len(saved_model.meta_graphs)}")
    (meta,) = saved_model.meta_graphs
    _check_operations(meta)
    _check_objects(meta)
    return saved_model


def _check_operations(meta: Any) -> None:
    graph, saver = meta.graph_def, meta.saver_def
    savers = _saver_functions(graph, {_node(saver.save_tensor_name), _node(saver.restore_op_name)})
    for node in graph.node:
        _check(node.op, ALLOWED_OPS, "its graph")
    for function in graph.library.function:
        name = function.signature.name
        _check_function(function, ALLOWED_OPS | SAVER_OPS if name in savers else ALLOWED_OPS)
        for called in _called(function.node_def):
            if called in savers:
                raise DataError(f"its function {name!r} calls {called!r}, which only saving and restoring may do")
    named = {name for node in meta.object_graph_def.nodes for name in node.function.concrete_functions}
    named |= {node.bare_concrete_function.concrete_function_name for node in meta.object_graph_def.nodes}
    named |= {each.gradient_func for each in graph.library.gradient}
    named |= {each.gradient_func for each in graph.library.registered_gradients}
    for name in sorted(savers & named):
        raise DataError(f"its function {name!r} is offered to callers, but only saving and restoring may call it")


def _saver_functions(graph: Any, ends: set[str]) -> set[str]:
    """Returns the functions that save and restore: called by the nodes that the graph names for it, and no other."""
    of_ends = {name for node in graph.node if node.name in ends for name in _called([node])}
    return of_ends - {name for node in graph.node if node.name not in ends for name in _called([node])}


def _check_function(function: Any, allowed: frozenset[str]) -> None:
    prefix = function.signature.input_arg[0].name if function.signature.input_arg else ""
    for node in function.node_def:
        _check(node.op, allowed, f"its function {function.signature.name!r}")
        # The file to read is the one that TensorFlow asks for.
        if node.op == "RestoreV2" and list(node.input)[:1] != [prefix]:
            raise DataError(
                f"its function {function.signature.name!r} restores variables from a file of its own choice"
            )


def _check(operation: str, allowed: frozenset[str], where: str) -> None:
    if operation not in allowed:
        raise DataError(f"{where} uses the operation {operation!r}, which no model of this project needs")


def _called(nodes: Any) -> Iterator[str]:
    for node in nodes:
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name


def _check_objects(meta: Any) -> None:
    if meta.asset_file_def:
        raise DataError("it brings files of its own (assets), which no model of this project needs")
    for node in meta.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _OBJECTS:
            raise DataError(f"it holds an object of the kind {kind!r}, which no model of this project needs")
        if kind == "user_object" and node.user_object.identifier not in _CONTAINERS:
            raise DataError(f"it holds an object {node.user_object.identifier!r}, which would run code when loaded")
        if node.registered_name or node.registered_saver:
            raise DataError(f"it holds an object {node.registered_name!r} that is loaded and saved by code of its own")


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]
