"""Patterns of the canopy: deficiency, early ripeness, storm damage, weeds.

As in row_patterns, each function draws around an anchor (u, v), in px, and returns the label [S, S].
Colours are reflectances in 0..1 of red, green, blue and NIR.
"""

import numpy as np

from components.synth.scene import Scene
from components.synth.shapes import BoolArray, FloatArray, blob, smooth_noise, soft_step

_STRAW = np.array((0.70, 0.60, 0.41, 0.37), np.float32)  # ripe, dry canopy: NDVI near 0
_STRAW_GROUND = np.array((0.60, 0.50, 0.37, 0.33), np.float32)
_PALE_LEAF = np.array((0.56, 0.62, 0.30, 0.46), np.float32)  # yellow-green, low NDVI
_LODGED_LIGHT = np.array((0.56, 0.62, 0.47, 0.60), np.float32)  # undersides of leaves reflect
_LODGED_DARK = np.array((0.26, 0.33, 0.24, 0.36), np.float32)
_WEED = np.array((0.27, 0.45, 0.23, 0.82), np.float32)
_SOLID = np.ones((), np.float32)


def draw_nutrient_deficiency(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws a lack of nitrogen: yellow-green leaves and a low NDVI, in streaks along the rows."""
    rng = scene.rng
    box, u, v = scene.around(anchor, 1.1 * scene.tile_px)
    radius_u, radius_v = rng.uniform(0.28, 0.40) * scene.tile_px, rng.uniform(0.5, 0.7) * scene.tile_px
    streaks = scene.profile.smooth_noise(rng, 1.6 * scene.row_px)
    inside = blob(rng, u, v, radius_u, radius_v, 0.15)
    inside += np.float32(0.30) * scene.profile.look_up(streaks, scene.u[box.slices])
    leaf = np.float32(0.2) * scene.leaf + np.float32(0.8) * _PALE_LEAF
    cover = scene.rows(box) * np.float32(0.95)
    scene.paint(box, np.float32(0.95) * soft_step(inside, 0.12), scene.soil, leaf, cover)
    return scene.label(box, inside > 0.0)


def draw_drydown(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws crop that ripens early: straw colours and little NIR, mottled, over large areas."""
    rng = scene.rng
    box, u, v = scene.around(anchor, 1.1 * scene.tile_px)
    radius = rng.uniform(0.42, 0.58) * scene.tile_px
    inside = blob(rng, u, v, radius, radius * rng.uniform(0.8, 1.2), 0.30)
    mottle = _weighted(smooth_noise(rng, box.shape, 0.035 * scene.tile_px))
    cover = np.clip(scene.rows(box) * np.float32(0.6) + np.float32(0.5) * mottle, 0.0, 1.0)
    scene.paint(box, np.float32(0.92) * soft_step(inside, 0.16), _STRAW_GROUND, _STRAW, cover)
    return scene.label(box, inside > 0.0)


def draw_storm_damage(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws lodged crop: flattened stalks in light and dark swirls that hide the rows."""
    rng = scene.rng
    box, u, v = scene.around(anchor, 1.0 * scene.tile_px)
    radius = rng.uniform(0.38, 0.52) * scene.tile_px
    inside = blob(rng, u, v, radius, radius * rng.uniform(0.7, 1.1), 0.35)
    # Contour lines of smooth noise form the swirls; finer noise tears them into tufts.
    level = smooth_noise(rng, box.shape, 0.24 * scene.tile_px) * np.float32(2.6)
    level += np.float32(0.30) * smooth_noise(rng, box.shape, 0.05 * scene.tile_px)
    wave = np.abs(level - np.floor(level) - np.float32(0.5)) * np.float32(2.0)
    tufts = smooth_noise(rng, box.shape, 0.022 * scene.tile_px)
    wave = np.clip(np.float32(0.65) * wave + np.float32(0.28) * tufts + np.float32(0.2), 0.0, 1.0)
    scene.paint(box, np.float32(0.94) * soft_step(inside, 0.09), _LODGED_DARK, _LODGED_LIGHT, wave)
    return scene.label(box, inside > 0.0)


def draw_weed_cluster(scene: Scene, anchor: tuple[float, float]) -> BoolArray:
    """Draws weeds: deep green blotches that ignore the rows and are brighter in NIR than anything else."""
    rng = scene.rng
    box, u, v = scene.around(anchor, 0.95 * scene.tile_px)
    radius = rng.uniform(0.30, 0.46) * scene.tile_px
    inside = blob(rng, u, v, radius, radius * rng.uniform(0.7, 1.2), 0.35)
    plants = smooth_noise(rng, box.shape, 0.045 * scene.tile_px) + np.float32(0.25)
    plants += np.float32(0.4) * smooth_noise(rng, box.shape, 0.015 * scene.tile_px)
    alpha = soft_step(inside, 0.10) * soft_step(plants, 0.35)
    alpha = scene.paint(box, alpha, _WEED, _WEED, _SOLID)
    scene.grain[box.slices] += np.float32(0.5) * alpha
    return scene.label(box, inside > 0.0)


def _weighted(noise: FloatArray) -> FloatArray:
    """Returns noise as a weight in 0..1."""
    weight: FloatArray = np.clip(np.float32(0.5) + np.float32(0.6) * noise, 0.0, 1.0)
    return weight
