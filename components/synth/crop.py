"""Draws the healthy field: rows of a crop on soil, its boundary, and its surroundings."""

import math

import numpy as np

from components.agrivision import BANDS, TILE_SIZE_PX
from components.synth.scene import Scene
from components.synth.shapes import FloatArray, Profile, smooth_noise

# Reflectance in 0..1 of red, green, blue, NIR, as the cameras of the dataset render it.
_SOILS = (
    (0.40, 0.35, 0.33, 0.27),  # dark loam
    (0.60, 0.53, 0.48, 0.38),  # dry, tan
    (0.56, 0.46, 0.41, 0.36),  # reddish clay
    (0.51, 0.48, 0.46, 0.34),  # grey silt
)
_LEAVES = (
    (0.33, 0.45, 0.34, 0.61),  # young corn
    (0.25, 0.38, 0.28, 0.64),  # dense corn
    (0.34, 0.45, 0.37, 0.58),  # soybean
)
_GRASS = (0.42, 0.49, 0.34, 0.52)
_GRAVEL = (0.68, 0.65, 0.60, 0.50)

_ROW_PX = (22.0, 29.0)  # distance between rows, for 512 px tiles
_SIDE_TILES = (2.15, 2.5)  # side of a field's raster, in tiles


def new_scene(rng: np.random.Generator, tile_px: int) -> Scene:
    """Returns a healthy field whose soil, crop, row direction and growth stage are drawn from `rng`."""
    scale = tile_px / TILE_SIZE_PX
    size_px = round(rng.uniform(*_SIDE_TILES) * tile_px)
    row_px = max(3.0, rng.uniform(*_ROW_PX) * scale)
    angle = rng.uniform(0.0, math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    centred = np.arange(size_px, dtype=np.float32) - np.float32(size_px / 2)
    x, y = centred[np.newaxis, :], centred[:, np.newaxis]
    # Rows wobble a little, as a tractor does.
    wobble = np.float32(0.09 * row_px) * smooth_noise(rng, (size_px, size_px), 0.5 * tile_px)
    u = x * np.float32(cos) + y * np.float32(sin) + wobble
    v = y * np.float32(cos) - x * np.float32(sin)
    profile = Profile(0.8 * size_px)
    soil = _mixture(rng, _SOILS) * np.float32(rng.uniform(0.93, 1.10))
    leaf = _mixture(rng, _LEAVES) * np.float32(rng.uniform(0.93, 1.07))
    row_table = row_cover(rng, profile, row_px, rng.uniform(0.42, 0.62), rng.uniform(0.26, 0.36))
    scene = Scene(
        rng=rng,
        tile_px=tile_px,
        size_px=size_px,
        row_px=row_px,
        half_u=rng.uniform(0.42, 0.48) * size_px,
        half_v=rng.uniform(0.42, 0.48) * size_px,
        cos=cos,
        sin=sin,
        u=u,
        v=v,
        profile=profile,
        row_table=row_table,
        bands=np.empty((len(BANDS), size_px, size_px), np.float32),
        soil=soil,
        leaf=leaf,
        grain=np.ones((size_px, size_px), np.float32),
        shade=np.ones((size_px, size_px), np.float32),
        boundary=np.ones((size_px, size_px), np.bool_),
    )
    _draw_crop(scene)
    return scene


def row_cover(rng: np.random.Generator, profile: Profile, row_px: float, mean: float, amplitude: float) -> FloatArray:
    """Returns the canopy cover across rows, in 0..1, as a table of `profile`."""
    rows = profile.positions / row_px
    # Rows differ in vigour, and the sprayer leaves a pair of thin tracks every 16 rows.
    vigour = rng.normal(1.0, 0.05, int(rows[-1] - rows[0]) + 3)[(np.floor(rows) - np.floor(rows[0])).astype(int)]
    cover = (mean + amplitude * np.cos(2 * np.pi * (rows - 0.5))) * vigour
    first = rng.integers(16)
    for track in (0, 4):
        distance = np.abs((rows - first - track + 8) % 16 - 8)
        cover = np.where(distance < 0.17, cover * 0.55, cover)
    table: FloatArray = np.clip(cover, 0.0, 1.0).astype(np.float32)
    return table


def _mixture(rng: np.random.Generator, colours: tuple[tuple[float, ...], ...]) -> FloatArray:
    shares = rng.dirichlet(np.full(len(colours), 0.6))
    mixture: FloatArray = (shares[:, np.newaxis] * np.array(colours)).sum(axis=0).astype(np.float32)
    return mixture


def _draw_crop(scene: Scene) -> None:
    rng, shape, tile_px = scene.rng, (scene.size_px, scene.size_px), scene.tile_px
    vigour = 1.0 + np.float32(0.07) * smooth_noise(rng, shape, 0.55 * tile_px)
    # Plants in a row differ: some are missing, some are large.
    vigour += np.float32(0.16) * smooth_noise(rng, shape, 0.022 * tile_px)
    cover = np.clip(scene.profile.look_up(scene.row_table, scene.u) * vigour, 0.0, 1.0)
    scene.bands[...] = scene.soil[:, np.newaxis, np.newaxis]
    moisture = 1.0 + np.float32(0.06) * smooth_noise(rng, shape, 0.35 * tile_px)
    scene.bands *= moisture
    for band in range(len(BANDS)):
        scene.bands[band] += cover * (scene.leaf[band] - scene.bands[band])
    _draw_surroundings(scene)


def _draw_surroundings(scene: Scene) -> None:
    """Draws a grass verge, a gravel road on one side and the neighbours' fields beyond the boundary."""
    rng, tile_px = scene.rng, scene.tile_px
    table = scene.profile.smooth_noise(rng, 0.5 * tile_px) * np.float32(0.012 * tile_px)
    slant = np.float32(rng.uniform(-0.08, 0.08))  # hardly any field is a rectangle
    outside_u = np.abs(scene.u + slant * scene.v) - np.float32(scene.half_u)
    outside_v = np.abs(scene.v) + scene.profile.look_up(table, scene.u) - np.float32(scene.half_v)
    outside = np.maximum(outside_u, outside_v)  # px beyond the boundary
    verge_px = rng.uniform(0.04, 0.09) * tile_px
    tufts = np.clip(np.float32(0.5) + smooth_noise(rng, outside.shape, 0.03 * tile_px), 0.0, 1.0)
    neighbour = _mixture(rng, (*_SOILS[:2], _LEAVES[0], _GRASS))
    for edge_px, colour in ((0.0, _GRASS), (verge_px, neighbour)):
        alpha = (outside > edge_px).astype(np.float32)
        light = np.array(colour, np.float32)
        scene.paint(scene.whole(), alpha, light, np.float32(0.86) * light, tufts)
    if rng.random() < 0.5:
        side = scene.v if rng.random() < 0.5 else -scene.v
        road = np.abs(side - np.float32(scene.half_v + 1.6 * verge_px)) < 0.5 * verge_px
        alpha = road.astype(np.float32)
        gravel = np.array(_GRAVEL, np.float32)
        scene.paint(scene.whole(), alpha, gravel, np.float32(0.93) * gravel, tufts)
    # Set last, because everything painted from now on stays inside the boundary, unlike the surroundings.
    scene.boundary[...] = outside < 0.0
