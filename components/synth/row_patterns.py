"""Patterns that machines make: rows sown twice, not at all, or across the others.

Each function draws a pattern onto a `Scene` around an anchor, a position (u, v) in the field in px,
and returns its label [S, S]: the pixels that an annotator would mark.
"""

import numpy as np

from components.synth.crop import row_cover
from components.synth.scene import Scene
from components.synth.shapes import BoolArray, smooth_noise, soft_step, strip


def draw_double_plant(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws overlapping planter passes: rows between the rows, so twice as many, and a denser, darker canopy."""
    rng = scene.rng
    box, _, v = scene.around(anchor, 0.95 * scene.tile_px)
    table = row_cover(rng, scene.profile, scene.row_px / 2, 0.70, 0.30)
    cover = scene.profile.look_up(table, scene.u[box.slices])
    dense = scene.leaf * np.array((0.68, 0.82, 0.74, 1.14), np.float32)
    label = np.zeros(box.shape, np.bool_)
    for side in (-1.0, 1.0):
        num_rows = int(rng.integers(5, 9))
        middle = anchor[0] + side * rng.uniform(0.18, 0.30) * scene.tile_px
        u = scene.u[box.slices] - np.float32(scene.between_rows(middle, num_rows))
        shifted_v = v - np.float32(rng.uniform(-0.15, 0.15) * scene.tile_px)
        length = rng.uniform(0.35, 0.55) * scene.tile_px
        depth = strip(rng, u, shifted_v, num_rows * scene.row_px / 2, length, 0.02 * scene.tile_px)
        scene.paint(box, soft_step(depth, 0.06 * scene.row_px), scene.soil, dense, cover)
        label |= depth > 0.0
    return scene.label(box, label)


def draw_planter_skip(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws rows that were never sown: straight, bare strips along the rows."""
    rng = scene.rng
    box, _, v = scene.around(anchor, 0.9 * scene.tile_px)
    ground = scene.soil * np.array((1.04, 1.03, 1.02, 0.92), np.float32)
    # A few plants come up on their own.
    volunteers = np.clip(smooth_noise(rng, box.shape, 0.012 * scene.tile_px) - np.float32(0.8), 0.0, 0.6)
    label = np.zeros(box.shape, np.bool_)
    for place in (-1.0, 0.0, 1.0):
        num_rows = int(rng.integers(2, 4))
        middle = anchor[0] + (place + rng.uniform(-0.2, 0.2)) * 0.25 * scene.tile_px
        u = scene.u[box.slices] - np.float32(scene.between_rows(middle, num_rows))
        shifted_v = v - np.float32(rng.uniform(-0.15, 0.15) * scene.tile_px)
        length = rng.uniform(0.30, 0.55) * scene.tile_px
        depth = strip(rng, u, shifted_v, num_rows * scene.row_px / 2, length, 0.0)
        scene.paint(box, soft_step(depth, 0.08 * scene.row_px), ground, scene.leaf, volunteers)
        label |= depth > 0.0
    return scene.label(box, label)


def draw_endrow(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws the headland, where the tractor turns: rows across the others, along the field's edge."""
    rng = scene.rng
    side = 1.0 if anchor[1] > 0 else -1.0
    width = rng.uniform(0.30, 0.42) * scene.tile_px
    depth = np.float32(side) * scene.v - np.float32(scene.half_v - width)
    table = row_cover(rng, scene.profile, scene.row_px, rng.uniform(0.40, 0.52), 0.36)
    cover = scene.profile.look_up(table, scene.v)
    inside = scene.boundary & (depth > 0.0)
    everything = scene.whole()
    # Turning compacts the soil, so the first row of the headland stays bare.
    seam = np.abs(depth) < 0.45 * scene.row_px
    scene.paint(everything, inside.astype(np.float32), scene.soil, scene.leaf, cover * ~seam)
    return inside
