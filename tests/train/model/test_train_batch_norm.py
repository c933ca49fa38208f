import keras
import numpy as np
import tensorflow as tf

from components.train.model.batch_norm import normalize_over_replicas


def trained_once(layer: keras.layers.BatchNormalization) -> list[np.ndarray]:
    """Returns the outputs, the gradients and the moving statistics of a training step on the same pixels."""
    pixels = tf.constant(np.random.default_rng(0).normal(2.0, 3.0, (4, 6, 5, 3)).astype(np.float32))
    layer.build(pixels.shape)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        output = layer(pixels, training=True)
        loss = tf.reduce_sum(output**3)
    gradients = tape.gradient(loss, [pixels, layer.gamma.value, layer.beta.value])
    return [tensor.numpy() for tensor in (output, *gradients, layer.moving_mean.value, layer.moving_variance.value)]


def test_it_computes_what_keras_synchronized_layer_does() -> None:
    ours = keras.layers.BatchNormalization(momentum=0.5)
    normalize_over_replicas(ours, momentum=0.9)
    theirs = keras.layers.BatchNormalization(momentum=0.9, synchronized=True)
    for mine, reference in zip(trained_once(ours), trained_once(theirs), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-5, atol=1e-5)
