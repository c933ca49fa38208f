"""What XLA compiles of a training step, and that it computes the same."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.errors import SettingsError
from components.train.model.batch_norm import normalize_over_replicas
from components.train.settings.config import TrainConfig
from components.train.settings.strategies import check_strategy
from components.train.step.objective import make_loss
from components.train.step.optimizer import Optimizer
from components.train.step.steps import make_replica_step

RNG = np.random.default_rng(0)
IMAGE = tf.constant(RNG.integers(0, 255, (4, 8, 8, 3), np.uint8))
COVER = tf.fill([4, 8, 8, 1], tf.constant(1, tf.uint8))
LABELS = tf.constant(RNG.integers(0, 2, (4, 2)).astype(np.float32))


def graph_of(xla: bool) -> tuple[Any, Any]:
    """Returns a network, and its replica's step as a graph."""
    config = TrainConfig(global_batch_size=4, image_size_px=32, xla=xla)
    keras.utils.set_random_seed(0)
    image, valid = keras.Input((8, 8, 3), dtype="uint8"), keras.Input((8, 8, 1), dtype="uint8")
    seen = keras.layers.Rescaling(1 / 255)(image) * keras.ops.cast(valid, "float32")
    norm = keras.layers.BatchNormalization()
    normalize_over_replicas(norm, 0.9)
    hidden = norm(keras.layers.Conv2D(3, 3, use_bias=False)(seen))
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(hidden))
    model = keras.Model([image, valid], logits)
    optimizer = Optimizer(config, model.trainable_variables)
    loss = make_loss(config, np.ones(2, np.float32), single_label=False)
    step = make_replica_step(model, optimizer, None, config, loss, 4)
    strategy = tf.distribute.get_strategy()

    @tf.function(autograph=False)
    def run(global_step: Any) -> Any:
        args = (IMAGE, COVER, LABELS, tf.range(4), global_step, tf.constant(0.01))
        return strategy.run(step, args)

    return model, run.get_concrete_function(tf.TensorSpec([], tf.int64))


def compiled_kinds(graph: Any) -> set[str]:
    """Returns the kinds of the operations that are marked for XLA."""
    marked = set()
    for operation in graph.graph.get_operations():
        try:
            if operation.get_attr("_XlaCompile"):
                marked.add(operation.type)
        except ValueError:
            continue
    return marked


def test_forward_and_backward_pass_are_compiled_and_the_update_is_not() -> None:
    graph = graph_of(xla=True)[1]
    marked = compiled_kinds(graph)
    assert {"Conv2D", "Conv2DBackpropFilter", "MatMul"} <= marked
    # Powers of Adam's betas, and the random numbers of augmentation.
    others = {"Pow", "StatelessRandomUniformV2"}
    assert others <= {operation.type for operation in graph.graph.get_operations()}
    assert not others & marked
    assert not compiled_kinds(graph_of(xla=False)[1])


def test_a_compiled_step_computes_the_same_to_rounding() -> None:
    (plain, run_plain), (compiled, run_compiled) = graph_of(xla=False), graph_of(xla=True)
    for step in range(3):
        losses = [run(tf.constant(step, tf.int64)) for run in (run_plain, run_compiled)]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for mine, other in zip(compiled.variables, plain.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=1e-4)


def test_a_tpu_refuses_to_be_asked_for_what_it_does_anyway() -> None:
    config = TrainConfig(xla=True)
    check_strategy("one_device", config, 1)
    with pytest.raises(SettingsError, match="xla, a key of train_config, must be false for train_strategy tpu"):
        check_strategy("tpu", config, 1)
