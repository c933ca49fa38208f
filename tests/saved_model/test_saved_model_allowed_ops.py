"""Models that would do more than compute are refused before TensorFlow loads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.trackable.resource import TrackableResource

from components.errors import DataError
from components.saved_model.allowed_ops import read_graph

pytestmark = pytest.mark.hostile
TEXT = tf.TensorSpec([], tf.string)


class Evil(tf.Module):
    """A model that does something with a path in the middle of its answer."""

    def __init__(self, act: Callable[[Any], Any]) -> None:
        super().__init__()
        self.weights = tf.Variable([1.0])

        @tf.function(input_signature=[TEXT])
        def predict_encoded(path: Any) -> Any:
            done = act(path)
            with tf.control_dependencies([done] if done is not None else []):
                return self.weights + 1.0

        self.predict_encoded = predict_encoded


def save_checkpoint(path: Any) -> Any:
    return tf.raw_ops.SaveV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.zeros([1])])


def restore_checkpoint(path: Any) -> Any:
    return tf.raw_ops.RestoreV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[0]


def merge(path: Any) -> Any:
    return tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[path], destination_prefix=path)


def in_a_loop(path: Any) -> Any:
    return tf.while_loop(lambda length: length < 1, lambda _: (tf.strings.length(tf.io.read_file(path)),), [0])[0]


@pytest.mark.parametrize(
    ("act", "operation"),
    [
        (tf.io.read_file, "ReadFile"),
        (lambda path: tf.io.write_file(path, "owned"), "WriteFile"),
        (lambda path: tf.print(path, output_stream="file:///tmp/owned"), "StringFormat|PrintV2"),
        (lambda path: tf.py_function(lambda: 1.0, [], tf.float32), "EagerPyFunc"),
        (lambda path: tf.numpy_function(lambda: 1.0, [], tf.float32), "PyFunc"),
        (tf.io.matching_files, "MatchingFiles"),
        (
            lambda path: tf.data.TFRecordDataset(path).reduce(0, lambda count, _: count + 1),
            "TFRecordDataset.*|TensorSliceDataset",
        ),
        (save_checkpoint, "SaveV2"),
        (restore_checkpoint, "RestoreV2"),
        (merge, "MergeV2Checkpoints"),
        (in_a_loop, "ReadFile"),
    ],
)
def test_a_model_that_reads_writes_or_calls_is_refused_by_its_operation(
    act: Callable[[Any], Any], operation: str, tmp_path: Path
) -> None:
    tf.saved_model.save(Evil(act), str(tmp_path / "model"))
    with pytest.raises(DataError, match=rf"^its function '\w+' uses the operation '({operation})', which no model of"):
        read_graph(tmp_path / "model")


def test_a_model_that_writes_a_file_when_it_is_loaded_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "owned"

    class WritesWhenLoaded(TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[])

        @tf.function(input_signature=[])
        def _initialize(self) -> Any:
            tf.io.write_file(str(target), "owned")
            return tf.constant(1)

        def _destroy_resource(self) -> None: ...

    module = Evil(lambda _: None)
    module.resource = WritesWhenLoaded()
    tf.saved_model.save(module, str(tmp_path / "model"))
    target.unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"uses the operation 'WriteFile'|object of the kind 'resource'"):
        read_graph(tmp_path / "model")
    assert not target.exists()
    tf.saved_model.load(str(tmp_path / "model"))
    assert target.exists(), "the attack is real"


@pytest.fixture
def harmless(tmp_path: Path) -> Any:
    """The parsed graph of a model that may be loaded, in the folder `model`."""
    tf.saved_model.save(Evil(lambda _: None), str(tmp_path / "model"))
    return read_graph(tmp_path / "model")


def changed_saver(graph: Any) -> Any:
    return next(each for each in graph.library.function if "traced_save" in each.signature.name)


def calls_the_saver(graph: Any) -> None:
    function = next(each for each in graph.library.function if "predict_encoded" in each.signature.name)
    node = function.node_def.add(name="extra", op="StatefulPartitionedCall")
    node.attr["f"].func.name = changed_saver(graph).signature.name


def names_its_own_file(graph: Any) -> None:
    function = next(each for each in graph.library.function if "traced_restore" in each.signature.name)
    node = next(node for node in function.node_def if node.op == "RestoreV2")
    node.input[0] = "RestoreV2/tensor_names:output:0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (calls_the_saver, "calls '__inference__traced_save_.*', which only saving and restoring may do"),
        (names_its_own_file, "restores variables from a file of its own choice"),
        (lambda graph: graph.node.add(name="a", op="ReadFile"), "its graph uses the operation 'ReadFile'"),
        (lambda graph: graph.node.add(name="a", op="MyOwnOp"), "its graph uses the operation 'MyOwnOp'"),
    ],
)
def test_a_graph_that_misuses_the_functions_for_saving_is_refused(
    harmless: Any, tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    change(harmless.meta_graphs[0].graph_def)
    (tmp_path / "model/saved_model.pb").write_bytes(harmless.SerializeToString())
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path / "model")


def with_an_asset(meta: Any) -> None:
    meta.asset_file_def.add(filename="a")


def with_a_keras_model(meta: Any) -> None:
    meta.object_graph_def.nodes[0].user_object.identifier = "_tf_keras_model"


def with_a_registered_object(meta: Any) -> None:
    meta.object_graph_def.nodes[0].registered_name = "Custom>Evil"


def with_a_table(meta: Any) -> None:
    meta.object_graph_def.nodes.add().resource.device = ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_an_asset, "it brings files of its own"),
        (with_a_keras_model, "it holds an object '_tf_keras_model', which would run code when loaded"),
        (with_a_registered_object, "it holds an object 'Custom>Evil' that is loaded and saved by code of its own"),
        (with_a_table, "it holds an object of the kind 'resource'"),
    ],
)
def test_an_object_that_would_be_more_than_data_is_refused(
    harmless: Any, tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    change(harmless.meta_graphs[0])
    (tmp_path / "model/saved_model.pb").write_bytes(harmless.SerializeToString())
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path / "model")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"damaged", "its saved_model.pb is damaged"),
        (b"", "its saved_model.pb must hold one graph, got 0"),
        (saved_model_pb2.SavedModel(meta_graphs=[{}, {}]).SerializeToString(), "must hold one graph, got 2"),
    ],
)
def test_a_graph_that_is_none_is_said_to_be(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_graph(tmp_path)
