"""Patterns of water and light: waterways, standing water, shadows of clouds.

As in row_patterns, each function draws around an anchor (u, v), in px, and returns the label [S, S].
Colours are reflectances in 0..1 of red, green, blue and NIR.
"""

import numpy as np

from components.synth.scene import Scene
from components.synth.shapes import BoolArray, blob, soft_step

_TURF = np.array((0.40, 0.55, 0.33, 0.72), np.float32)
_SILT = np.array((0.58, 0.52, 0.42, 0.42), np.float32)
_WATERS = np.array(((0.22, 0.25, 0.28, 0.06), (0.36, 0.33, 0.28, 0.10)), np.float32)  # clear, muddy
_SOLID = np.ones((), np.float32)


def draw_waterway(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws a grassed channel that winds across the rows, with a thread of silt in its bed."""
    rng = scene.rng
    # It runs at a right angle to the line from the field's centre, so that it leaves the rest of the field alone.
    length = max(1.0, float(np.hypot(*anchor)))
    normal = (anchor[0] / length, anchor[1] / length)
    along = scene.v * np.float32(normal[0]) - scene.u * np.float32(normal[1])
    across = scene.u * np.float32(normal[0]) + scene.v * np.float32(normal[1]) - np.float32(length)
    positions = scene.profile.positions
    bend_px = rng.uniform(0.75, 1.1) * scene.tile_px
    course = 0.13 * np.sin(2 * np.pi * positions / bend_px + rng.uniform(0.0, 6.0))
    course += 0.035 * scene.profile.smooth_noise(rng, 0.25 * scene.tile_px)
    width = rng.uniform(0.055, 0.08) * (1.0 + 0.15 * scene.profile.smooth_noise(rng, 0.3 * scene.tile_px))
    centre_table, width_table = ((values * scene.tile_px).astype(np.float32) for values in (course, width))
    offset = np.abs(across - scene.profile.look_up(centre_table, along))
    depth = scene.profile.look_up(width_table, along) - offset
    everything = scene.whole()
    inside: BoolArray = scene.boundary & (depth > 0.0)
    scene.paint(everything, soft_step(depth, 0.008 * scene.tile_px), _TURF, _TURF, _SOLID)
    bed = soft_step(np.float32(0.013 * scene.tile_px) - offset, 0.006 * scene.tile_px)
    scene.paint(everything, np.float32(0.85) * bed, _SILT, _SILT, _SOLID)
    return inside


def draw_water(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws standing water in a hollow: smooth, and almost black in NIR, with a rim of wet soil."""
    rng = scene.rng
    box, u, v = scene.around(anchor, 0.8 * scene.tile_px)
    radius = rng.uniform(0.22, 0.36) * scene.tile_px
    inside = blob(rng, u, v, radius, radius * rng.uniform(0.6, 1.2), 0.32)
    mud = scene.soil * np.array((0.62, 0.60, 0.58, 0.50), np.float32)
    scene.paint(box, np.float32(0.85) * soft_step(inside + np.float32(0.18), 0.15), mud, mud, _SOLID)
    water = _WATERS[0] + np.float32(rng.random()) * (_WATERS[1] - _WATERS[0])
    alpha = scene.paint(box, np.float32(0.97) * soft_step(inside, 0.03), water, water, _SOLID)
    scene.grain[box.slices] *= np.float32(1.0) - np.float32(0.8) * alpha
    return scene.label(box, inside > 0.0)


def draw_cloud_shadow(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws a cloud's shadow: all bands equally darker, rows still visible, soft edges."""
    rng = scene.rng
    box, u, v = scene.around(anchor, 1.1 * scene.tile_px)
    radius = rng.uniform(0.42, 0.6) * scene.tile_px
    inside = blob(rng, u, v, radius, radius * rng.uniform(0.7, 1.1), 0.25)
    scene.shade[box.slices] *= np.float32(1.0) - np.float32(rng.uniform(0.45, 0.58)) * soft_step(inside, 0.15)
    return scene.label(box, inside > 0.0)
