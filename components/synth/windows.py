"""Chooses the windows of a field that become its tiles."""

import dataclasses

import numpy as np
import numpy.typing as npt

from components.synth.field import Field
from components.synth.plan import BACKGROUND, FieldPlan
from components.synth.shapes import BoolArray

MIN_CLASS_SHARE = 0.03  # of a tile's valid pixels; a smaller sliver would teach nothing
_AMPLE_CLASS_SHARE = 0.07  # preferred share of the class that a window is cut for
_MIN_VALID_SHARE = 0.6  # of a tile's pixels
_GRID = 14  # candidates per side


@dataclasses.dataclass(frozen=True)
class Window:
    """A tile's place in its field's raster, in px; it is one tile wide and high."""

    left: int
    top: int


@dataclasses.dataclass(frozen=True)
class _Candidates:
    """Windows that could be cut: offsets [N, 2] as (left, top), valid share [N], class shares [C, N]."""

    offsets: npt.NDArray[np.int64]
    valid: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]


def choose_windows(
    plan: FieldPlan, field: Field, rng: np.random.Generator, tile_px: int, multi_label_share: float
) -> list[Window]:
    """Returns `plan.num_tiles` different windows that show what the plan demands.

    Args:
      plan: Per class, how many windows must show it.
      field: Where the patterns are.
      rng: The field's own random numbers.
      tile_px: Side of a window, in px.
      multi_label_share: How often to look for a window with a second class; 0 for single-label tiles.
    """
    names = sorted({name for name, _ in field.labels})
    candidates = _candidates(field, names, rng, tile_px)
    present = candidates.shares >= MIN_CLASS_SHARE  # [C, N]
    no_sliver = ((candidates.shares == 0.0) | present).all(axis=0)  # [N]
    tidy = no_sliver & (candidates.valid >= _MIN_VALID_SHARE)
    num_present = present.sum(axis=0)
    chosen: list[int] = []
    for name, count in plan.demands:
        for _ in range(count):
            if name == BACKGROUND:
                total = candidates.shares.sum(axis=0)
                wishes = [tidy & (total == 0.0), total == 0.0, total == total.min()]
            else:
                share = candidates.shares[names.index(name)]
                shown = present[names.index(name)]
                several = rng.random() < multi_label_share
                ideal = shown & (num_present > 1 if several else num_present == 1)
                alone = shown & (num_present == 1)
                ample = tidy & (share >= _AMPLE_CLASS_SHARE)
                wishes = [ample & ideal, ample & alone, tidy & alone, alone & no_sliver, tidy & shown, shown]
                wishes.append(share == share.max())
            chosen.append(_pick(wishes, candidates.offsets, chosen, rng))
    return [Window(int(candidates.offsets[index, 0]), int(candidates.offsets[index, 1])) for index in chosen]


def _candidates(field: Field, names: list[str], rng: np.random.Generator, tile_px: int) -> _Candidates:
    room = field.mask.shape[0] - tile_px
    cell = room / _GRID
    grid = np.stack(np.meshgrid(np.arange(_GRID), np.arange(_GRID)), axis=-1).reshape(-1, 2)  # [N, 2]
    offsets = ((grid + rng.random(grid.shape)) * cell).astype(np.int64)
    valid = _mean_in_windows(field.boundary & field.mask, offsets, tile_px)
    # A pixel annotated twice counts once: patterns of one class are joined before counting.
    layers = [np.logical_or.reduce([label for other, label in field.labels if other == name]) for name in names]
    shares = [_mean_in_windows(layer, offsets, tile_px) / np.maximum(valid, 1e-6) for layer in layers]
    return _Candidates(offsets, valid, np.array(shares).reshape(len(names), len(offsets)))


def _mean_in_windows(layer: BoolArray, offsets: npt.NDArray[np.int64], tile_px: int) -> npt.NDArray[np.float64]:
    """Returns the share of True pixels of `layer` [S, S] in each window [N]."""
    sums = np.zeros((layer.shape[0] + 1, layer.shape[1] + 1), np.int32)
    np.cumsum(layer, axis=0, dtype=np.int32, out=sums[1:, 1:])
    np.cumsum(sums, axis=1, out=sums)
    left, top = offsets[:, 0], offsets[:, 1]
    right, bottom = left + tile_px, top + tile_px
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return inside / (tile_px * tile_px)


def _pick(wishes: list[BoolArray], offsets: npt.NDArray[np.int64], chosen: list[int], rng: np.random.Generator) -> int:
    """Returns the index of a window that fulfils the first wish that any free window can, far from those chosen."""
    free = np.ones(len(offsets), np.bool_)
    free[chosen] = False
    eligible = next((wish & free for wish in wishes if (wish & free).any()), free)
    indices = np.flatnonzero(eligible)
    indices = indices[rng.permutation(len(indices))[:5]]
    if not chosen:
        return int(indices[0])
    apart = np.abs(offsets[indices, np.newaxis] - offsets[chosen]).max(axis=-1).min(axis=-1)
    return int(indices[np.argmax(apart)])
