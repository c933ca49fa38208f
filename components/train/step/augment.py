"""Augments tiles on the device; the result for a tile does not depend on which replica computes it.

Flips, quarter turns, zoom, shear and brightness. All bands and the masks, which are bits of the cover (input/cover.py),
move together, in one resampling: bilinear for the bands, nearest pixel for the masks. Pixels from outside the tile are
marked invalid and have no class, so the model treats them like pixels outside a field; their bytes repeat the nearest
pixel.
"""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from components.train.input.xla import compiled
from components.train.settings.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The random changes that a tile may undergo.

    Attributes:
      flips: Flip in x, in y, in both or not at all, with equal probability.
      quarter_turns: With the flips, gives all eight orientations.
      zoom_range: Zoom about the centre by 1 - range to 1 + range, in x and y independently.
      shear_degrees: Shear by up to this many degrees, either way.
      brightness_range: Multiply each band by 1 - range to 1 + range.
    """

    flips: bool = False
    quarter_turns: bool = False
    zoom_range: float = 0.0
    shear_degrees: float = 0.0
    brightness_range: float = 0.0

    @classmethod
    def of(cls, config: TrainConfig) -> "Augmentation":
        """Returns the augmentation that the configuration asks for."""
        return cls(config.augment, config.augment, config.zoom_range, config.shear_degrees, config.brightness_range)


def augment(
    image: Any, cover: Any, how: Augmentation, seed: int, step: Any, positions: Any, global_batch_size: int
) -> tuple[Any, Any]:
    """Returns the tiles, each changed independently, as uint8 like the arguments.

    Args:
      image: uint8 [n, S, S, B].
      cover: uint8 [n, S, S, P].
      how: The changes to make.
      seed: Seed of the training.
      step: Step over all epochs, int64 [].
      positions: Positions in the global batch, int32 [n]; a tile's changes depend only on (seed, step, position).
      global_batch_size: Over all workers.
    """
    key = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
    draws = tf.gather(tf.random.stateless_uniform([global_batch_size, 3], key), positions)  # [n, 3]
    chosen = draws < 0.5
    if how.quarter_turns:
        image, cover = _where(chosen[:, 0], tf.transpose, image, cover, perm=[0, 2, 1, 3])
    is_moved = how.zoom_range > 0 or how.shear_degrees > 0
    if how.flips and not is_moved:
        image, cover = _where(chosen[:, 1], tf.reverse, image, cover, axis=[1])
        image, cover = _where(chosen[:, 2], tf.reverse, image, cover, axis=[2])
    if not is_moved and not how.brightness_range:
        return image, cover
    num_bands = image.shape[-1]
    key = tf.random.experimental.stateless_fold_in(key, 1)
    # Drawn for the whole global batch, so that a tile's draws do not depend on which replica computes it.
    more = tf.random.stateless_uniform([global_batch_size, 3 + num_bands], key, -1.0, 1.0)
    more = tf.gather(more, positions)  # [n, 3 + B]
    gain = 1.0 + how.brightness_range * more[:, 3:]  # [n, B]
    if not is_moved:
        return _to_bytes(tf.cast(image, tf.float32) * gain[:, tf.newaxis, tf.newaxis, :]), cover
    flip = 1.0 - 2.0 * tf.cast(chosen, tf.float32) if how.flips else tf.ones_like(draws)
    zoom = 1.0 + how.zoom_range * more[:, :2]
    shear = math.radians(how.shear_degrees) * more[:, 2]
    # As in the reference study's ImageDataGenerator: rows are sheared along x.
    return warp(
        image,
        cover,
        x_per_x=flip[:, 2] * zoom[:, 0],
        x_per_y=-flip[:, 2] * tf.sin(shear) * zoom[:, 1],
        y_per_y=flip[:, 1] * tf.cos(shear) * zoom[:, 1],
        gain=gain,
    )


def warp(image: Any, cover: Any, x_per_x: Any, x_per_y: Any, y_per_y: Any, gain: Any) -> tuple[Any, Any]:
    """Resamples tiles about their centres, and multiplies their bands.

    With x and y measured from the centre, the pixel at (x, y) comes from (x_per_x x + x_per_y y, y_per_y y). Rows stay
    rows, so two passes suffice: first whole rows, then pixels within them. `ImageProjectiveTransformV3` computes the
    source of every value separately, and takes eight times as long on a CPU.

    Args:
      image: uint8 [n, S, S, B].
      cover: uint8 [n, S, S, P].
      x_per_x, x_per_y, y_per_y: Coefficients of the formula above, float32 [n].
      gain: Factor of each band, float32 [n, B].

    Returns:
      image: uint8 [n, S, S, B].
      cover: uint8 [n, S, S, P].
    """
    # Compiled separately: fused into one, they take twice as long.
    return (
        compiled(_warp_bands)(image, x_per_x, x_per_y, y_per_y, gain),
        compiled(_warp_mask)(cover, x_per_x, x_per_y, y_per_y),
    )


def _warp_bands(image: Any, x_per_x: Any, x_per_y: Any, y_per_y: Any, gain: Any) -> Any:
    size, num_bands = image.shape[1], image.shape[3]
    y, x = _places(size, x_per_x, x_per_y, y_per_y)
    # Each row stores band after band, so that a CPU processes many pixels at once, not just one pixel's bands.
    by_band = tf.transpose(image, [0, 1, 3, 2])  # [n, S, B, S]
    first, share = _neighbours(y, size - 1)  # [n, S]
    upper, lower = (
        tf.cast(tf.gather(by_band, row, batch_dims=1), tf.float32) for row in (first, tf.minimum(first + 1, size - 1))
    )
    lower_gain = share[:, :, tf.newaxis, tf.newaxis] * gain[:, tf.newaxis, :, tf.newaxis]  # [n, S, B, 1]
    rows = upper * (gain[:, tf.newaxis, :, tf.newaxis] - lower_gain) + lower * lower_gain

    first, share = _neighbours(x, size - 1)  # [n, S, S]
    rows = tf.reshape(rows, [-1, num_bands, size])  # [nS, B, S]
    left, right = (
        tf.gather(rows, tf.repeat(tf.reshape(column, [-1, 1, size]), num_bands, axis=1), batch_dims=2)
        for column in (first, tf.minimum(first + 1, size - 1))
    )
    moved = _to_bytes(left + (right - left) * tf.reshape(share, [-1, 1, size]))
    return tf.transpose(tf.reshape(moved, [-1, size, num_bands, size]), [0, 1, 3, 2])  # [n, S, S, B]


def _warp_mask(cover: Any, x_per_x: Any, x_per_y: Any, y_per_y: Any) -> Any:
    last = cover.shape[1] - 1
    # Rounds halves up; tf.round would round them to the even number.
    row, column = (tf.cast(tf.floor(p + 0.5), tf.int32) for p in _places(last + 1, x_per_x, x_per_y, y_per_y))
    inside = ((row >= 0) & (row <= last))[:, :, tf.newaxis] & (column >= 0) & (column <= last)  # [n, S, S]

    def moved(plane: Any) -> Any:
        rows = tf.gather(plane, tf.clip_by_value(row, 0, last), batch_dims=1)
        pixels = tf.gather(rows, tf.clip_by_value(column, 0, last), batch_dims=2)
        return (pixels * tf.cast(inside, plane.dtype))[..., tf.newaxis]

    if cover.shape[-1] == 1:
        return moved(cover[..., 0])
    return tf.concat([moved(cover[..., plane]) for plane in range(cover.shape[-1])], axis=-1)


def _places(size: int, x_per_x: Any, x_per_y: Any, y_per_y: Any) -> tuple[Any, Any]:
    """Returns the source of each row, y float32 [n, S], and of each pixel within it, x float32 [n, S, S]; see warp."""
    centre = (size - 1) / 2
    offset = tf.range(size, dtype=tf.float32) - centre  # [S]
    row_start = x_per_y[:, tf.newaxis] * offset + centre  # [n, S]
    x = (x_per_x[:, tf.newaxis] * offset)[:, tf.newaxis, :] + row_start[:, :, tf.newaxis]
    return y_per_y[:, tf.newaxis] * offset + centre, x


def _neighbours(place: Any, last: int) -> tuple[Any, Any]:
    """Returns the pixel at or before each place, int32, and the weight of the pixel after it, float32 in [0, 1)."""
    clipped = tf.clip_by_value(place, 0.0, float(last))
    first = tf.floor(clipped)
    return tf.cast(first, tf.int32), clipped - first


def _to_bytes(pixels: Any) -> Any:
    """Rounds non-negative float32 to uint8."""
    return tf.cast(tf.minimum(pixels + 0.5, 255.0), tf.uint8)


def _where(chosen: Any, change: Any, image: Any, cover: Any, **how: Any) -> tuple[Any, Any]:
    mask = chosen[:, tf.newaxis, tf.newaxis, tf.newaxis]  # [n, 1, 1, 1]
    return tf.where(mask, change(image, **how), image), tf.where(mask, change(cover, **how), cover)
