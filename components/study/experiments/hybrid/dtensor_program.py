"""Trains a small network like AlexNet on two devices with DTensor, by data or hybrid, and on one device beside it.

It is a process of its own, because devices are made before TensorFlow does anything. It answers "data" and "hybrid".
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.experimental import dtensor
from tensorflow.python.eager import context  # no public way to see the graphs that ran

from components.measuring.stopped_process import answer_questions
from components.study.experiments.hybrid.dtensor_network import (
    BATCH_SIZE,
    IMAGE_SHAPE,
    KERNELS,
    NUM_CLASSES,
    STRIDES,
)

_NUM_DEVICES, _NUM_STEPS, _RATE = 2, 3, 0.1
_AXIS, _WHOLE = "device", dtensor.UNSHARDED


def compare_devices(is_hybrid: bool) -> dict[str, Any]:
    """Returns the largest difference of a weight to one device after the last step, and what each step reduced.

    The latter has the number of numbers in each collective of one device.
    """
    mesh = dtensor.create_mesh([(_AXIS, _NUM_DEVICES)], devices=[f"CPU:{place}" for place in range(_NUM_DEVICES)])
    weights, image, labels = _numbers()
    alone = [tf.Variable(values) for values in weights]
    step_alone = _make_step(alone, False, mesh)
    spread = [_variable(values, _layout(place, values, mesh, is_hybrid)) for place, values in enumerate(weights)]
    step = _make_step(spread, is_hybrid, mesh)
    by_tile = dtensor.Layout([_AXIS, *[_WHOLE] * 3], mesh)
    whole = _whole(labels.ndim, mesh)
    images = dtensor.relayout(dtensor.copy_to_mesh(tf.constant(image), _whole(4, mesh)), by_tile)
    targets = dtensor.copy_to_mesh(tf.constant(labels), whole)
    if not is_hybrid:  # the hybrid's answers are whole on every device
        targets = dtensor.relayout(targets, dtensor.Layout([_AXIS, _WHOLE], mesh))
    context.context().enable_run_metadata()
    step(images, targets)
    ran = context.context().export_run_metadata()
    context.context().disable_run_metadata()
    for _ in range(_NUM_STEPS - 1):
        step(images, targets)
    for _ in range(_NUM_STEPS):
        step_alone(tf.constant(image), tf.constant(labels))
    differences = [
        float(np.abs(_value(variable, mesh) - other.numpy()).max())
        for variable, other in zip(spread, alone, strict=True)
    ]
    return {"difference": max(differences), "reduced": _reduced(ran)}


def _numbers() -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    weights = [(rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32) for shape in KERNELS]
    image = rng.uniform(size=(BATCH_SIZE, *IMAGE_SHAPE)).astype(np.float32)
    labels = np.eye(NUM_CLASSES, dtype=np.float32)[rng.integers(NUM_CLASSES, size=BATCH_SIZE)]
    return weights, image, labels


def _whole(rank: int, mesh: Any) -> Any:
    return dtensor.Layout.replicated(mesh, rank=rank)


def _layout(place: int, values: NDArray[np.float32], mesh: Any, is_hybrid: bool) -> Any:
    """Returns where a weight lies: dense layers are cut in columns and rows by turns, all else is on every device."""
    if not is_hybrid or values.ndim > 2:
        return _whole(values.ndim, mesh)
    is_in_columns = (place - len(STRIDES)) % 2 == 0
    return dtensor.Layout([_WHOLE, _AXIS] if is_in_columns else [_AXIS, _WHOLE], mesh)


def _variable(values: NDArray[np.float32], layout: Any) -> Any:
    copied = dtensor.copy_to_mesh(tf.constant(values), _whole(values.ndim, layout.mesh))
    return dtensor.DVariable(dtensor.relayout(copied, layout))


def _value(variable: Any, mesh: Any) -> NDArray[np.float32]:
    whole = dtensor.relayout(variable.read_value(), _whole(len(variable.shape), mesh))
    return np.asarray(dtensor.unpack(whole)[0])


def _make_step(weights: list[Any], is_hybrid: bool, mesh: Any) -> Any:
    columns = dtensor.Layout([_WHOLE, _AXIS], mesh)

    def placed(values: Any, layout: Any) -> Any:
        return dtensor.relayout(values, layout) if is_hybrid else values

    def logits(image: Any) -> Any:
        x = image
        for kernel, stride in zip(weights[: len(STRIDES)], STRIDES, strict=True):
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, stride, "SAME"))
        first, second, third = weights[len(STRIDES) :]
        x = placed(tf.reshape(x, [BATCH_SIZE, -1]), _whole(2, mesh))
        x = placed(tf.nn.relu(tf.matmul(x, first)), columns)
        x = tf.nn.relu(placed(tf.matmul(x, second), _whole(2, mesh)))
        return placed(tf.matmul(x, third), _whole(2, mesh))

    def step(image: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits(image)))
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(_RATE * gradient)
        return loss

    return tf.function(step, autograph=False)


def _reduced(ran: Any) -> list[int]:
    """Returns the numbers in each collective of the first device, in the graphs that ran."""
    found = []
    for graphs in ran.function_graphs:
        for graph in graphs.partition_graphs:
            for node in graph.node:
                if node.op.startswith("Collective") and node.device.endswith("CPU:0"):
                    shape = node.attr["_output_shapes"].list.shape[0]
                    found.append(int(np.prod([dim.size for dim in shape.dim], dtype=np.int64)))
    return sorted(found)


def _make_devices() -> None:
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(_NUM_DEVICES)]
    tf.config.set_visible_devices([], "GPU")
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)


if __name__ == "__main__":
    _make_devices()
    answer_questions({"data": lambda: compare_devices(False), "hybrid": lambda: compare_devices(True)})
