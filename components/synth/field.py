"""Draws one whole field, from its plan to 8-bit bands, boundary, valid mask and labels."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from components.agrivision import BANDS
from components.synth.crop import new_scene
from components.synth.patterns import PATTERNS
from components.synth.plan import BACKGROUND, FieldPlan
from components.synth.scene import Scene
from components.synth.shapes import BoolArray, FloatArray, smooth_noise

_SHARE_WITHOUT_DATA = 0.4  # of the fields have a corner that the flight missed
_GRAIN = 0.06  # standard deviation of the fine texture in reflectance; sets the size of the JPEGs
_CHROMA_GRAIN = 0.016  # the part of it that differs from band to band
_NIR_GRAIN = 0.045


@dataclasses.dataclass(frozen=True)
class Field:
    """A drawn field.

    Attributes:
      bands: Red, green, blue, NIR, uint8 [4, S, S]; 0 where there is no data.
      boundary: True inside the field, [S, S].
      mask: True where the flight has data, [S, S].
      labels: Per pattern, its class and the pixels that show it, [S, S]; inside boundary and mask.
    """

    bands: npt.NDArray[np.uint8]
    boundary: BoolArray
    mask: BoolArray
    labels: tuple[tuple[str, BoolArray], ...]


def draw_field(plan: FieldPlan, rng: np.random.Generator, tile_px: int) -> Field:
    """Draws the field with each of the plan's patterns once.

    Args:
      plan: Names the patterns; windows are chosen later.
      rng: The field's own random numbers.
      tile_px: Side of a tile, in px; the field is two to three tiles wide.
    """
    scene = new_scene(rng, tile_px)
    names = [name for name, _ in plan.demands if name != BACKGROUND]
    drawn = []
    for name, anchor in sorted(zip(names, _anchors(scene, len(names)), strict=True), key=_drawing_order):
        drawn.append((name, PATTERNS[name](scene, anchor)))
    mask = _flown(scene)
    valid = mask & scene.boundary
    labels = tuple((name, label & valid) for name, label in drawn)
    return Field(_expose(scene, mask), scene.boundary, mask, labels)


def _drawing_order(named_anchor: tuple[str, tuple[float, float]]) -> int:
    return list(PATTERNS).index(named_anchor[0])


def _anchors(scene: Scene, count: int) -> list[tuple[float, float]]:
    """Returns positions (u, v) spread around the field's centre, so that few windows show two patterns."""
    first = scene.rng.uniform(0.0, 2.0 * math.pi)
    anchors = []
    for number in range(count):
        angle = first + 2.0 * math.pi * number / count + scene.rng.uniform(-0.3, 0.3)
        reach = scene.rng.uniform(0.48, 0.60)
        anchors.append((reach * scene.half_u * math.cos(angle), reach * scene.half_v * math.sin(angle)))
    return anchors


def _flown(scene: Scene) -> BoolArray:
    """Returns where the flight has data: everywhere, or everywhere but a corner."""
    mask = np.ones((scene.size_px, scene.size_px), np.bool_)
    if scene.rng.random() >= _SHARE_WITHOUT_DATA:
        return mask
    ramp = np.linspace(-1.0, 1.0, scene.size_px, dtype=np.float32)
    angle = scene.rng.uniform(0.0, 2.0 * math.pi)
    across = ramp[np.newaxis, :] * np.float32(math.cos(angle)) + ramp[:, np.newaxis] * np.float32(math.sin(angle))
    reach = abs(math.cos(angle)) + abs(math.sin(angle))  # of the raster's farthest corner
    mask[across > np.float32(reach * scene.rng.uniform(0.62, 0.82))] = False
    return mask


def _expose(scene: Scene, mask: BoolArray) -> npt.NDArray[np.uint8]:
    """Returns the bands as the camera records them: lit, shaded, with texture, 8 bits."""
    rng, shape = scene.rng, (scene.size_px, scene.size_px)
    # Sun, haze and exposure differ from flight to flight; light also varies slowly over the field.
    light = np.float32(rng.uniform(0.88, 1.16)) + np.float32(0.035) * smooth_noise(rng, shape, 0.9 * scene.tile_px)
    light *= scene.shade
    tint = rng.normal(1.0, 0.025, len(BANDS)).astype(np.float32)
    haze = np.float32(rng.uniform(0.0, 0.05))
    grain = _texture(rng, scene) * scene.grain
    bands = np.empty((len(BANDS), *shape), np.uint8)
    for band, name in enumerate(BANDS):
        noise = rng.standard_normal(shape, dtype=np.float32)
        layer = scene.bands[band]
        if name == "nir":
            noise *= np.float32(0.5 * _NIR_GRAIN) * scene.grain
            noise += np.float32(_NIR_GRAIN) * grain
        else:
            noise *= np.float32(_CHROMA_GRAIN)
            noise += np.float32(_GRAIN) * grain
        layer += noise
        layer *= light * tint[band]
        layer += haze
        # At most 0.98: even the camera's brightest pixels are not quite white.
        bands[band] = np.clip(layer, 0.02, 0.98) * np.float32(255.0) * mask
    return bands


def _texture(rng: np.random.Generator, scene: Scene) -> FloatArray:
    """Returns the texture that all bands share: leaves and clods, standard deviation about 1, [S, S]."""
    fine = rng.standard_normal((scene.size_px, scene.size_px), dtype=np.float32)
    # Averaging neighbours gives grains of two pixels, as plants have; single pixels look like a bad sensor.
    coarse = fine + np.roll(fine, 1, axis=0)
    coarse += np.roll(coarse, 1, axis=1)
    return np.float32(0.5) * coarse
