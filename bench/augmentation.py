"""The reference study's augmentation as ops that run on the device: flips, zoom, shear, brightness."""

import math
from typing import Any

import tensorflow as tf

_SHEAR = math.radians(10)


@tf.function(reduce_retracing=True)
def augment_as_reference(image: Any, step: Any) -> Any:
    """Returns uint8 [n, S, S, B], each tile flipped, zoomed by 0.8 to 1.2 a side, sheared up to 10 degrees, dimmed.

    All of the geometry is one bilinear sampling, as in ImageDataGenerator; every band of a tile is treated alike.
    """
    count, size = tf.shape(image)[0], tf.cast(tf.shape(image)[1], tf.float32)
    draws = tf.random.stateless_uniform([6, count], [0, step], -1.0, 1.0)
    flip_x, flip_y = tf.sign(draws[0]), tf.sign(draws[1])
    zoom_x, zoom_y, shear = 1 + 0.2 * draws[2], 1 + 0.2 * draws[3], _SHEAR * draws[4]
    a, b = flip_x * zoom_x, -tf.sin(shear) * zoom_y * flip_x
    d, e = tf.zeros_like(a), tf.cos(shear) * zoom_y * flip_y
    centre = (size - 1) / 2  # stays where it is
    c, f = centre - a * centre - b * centre, centre - d * centre - e * centre
    transforms = tf.stack([a, b, c, d, e, f, tf.zeros_like(a), tf.zeros_like(a)], axis=1)  # [n, 8]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image,
        transforms=transforms,
        output_shape=tf.shape(image)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    brightness = (1 + 0.2 * draws[5])[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.cast(tf.clip_by_value(tf.cast(moved, tf.float32) * brightness, 0, 255), tf.uint8)
