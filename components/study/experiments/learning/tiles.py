"""Generated tiles in memory, each with one class, split by field as the project's own datasets are."""

import dataclasses
import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.agrivision import BANDS, CLASS_FOLDERS
from components.errors import SettingsError
from components.synth.field import Field, draw_field
from components.synth.plan import LAYOUT_CLASSES, plan_fields
from components.synth.windows import Window, choose_windows

CLASSES = LAYOUT_CLASSES[CLASS_FOLDERS]
SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class SplitTiles:
    """The tiles of a split.

    Attributes:
      names: Of each tile, N.
      image: uint8 [N, S, S, B], in the order of `agrivision.BANDS`.
      cover: 1 where a pixel is valid, else 0; uint8 [N, S, S, 1].
      labels: One class each, float32 [N, C].
    """

    names: tuple[str, ...]
    image: NDArray[np.uint8]
    cover: NDArray[np.uint8]
    labels: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.names)


@dataclasses.dataclass(frozen=True)
class TileSet:
    """All tiles of a study.

    Attributes:
      splits: By name.
      sha256: Of all pixels and labels.
      tile_size_px: Side of a tile as it was drawn.
      image_size_px: Side S of the images here.
    """

    splits: dict[str, SplitTiles]
    sha256: str
    tile_size_px: int
    image_size_px: int

    def statistics(self, num_bands: int) -> tuple[list[float], list[float]]:
        """Returns mean and standard deviation of the first bands over the train split's valid pixels, in 0..1."""
        train = self.splits["train"]
        pixels = train.image[train.cover[..., 0] > 0][:, :num_bands] / 255.0
        return pixels.mean(axis=0).tolist(), pixels.std(axis=0).tolist()


def draw_tiles(num_tiles: int, tile_size_px: int, image_size_px: int, seed: int, multiple: int = 1) -> TileSet:
    """Draws the tiles; equal arguments give equal ones.

    Args:
      num_tiles: Over all splits.
      tile_size_px: Side of the tiles that are drawn; below 64 px, rows of plants are thinner than a pixel.
      image_size_px: Side that they are made smaller to by averaging; must divide the former.
      seed: Of fields and tiles.
      multiple: What the number of tiles to train on is a multiple of; the rest are left out.
    """
    drawn: dict[str, list[tuple[str, Any, Any, int]]] = {split: [] for split in SPLITS}
    for plan in plan_fields(CLASS_FOLDERS, num_tiles, seed, "mild"):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(plan.index,)))
        field = draw_field(plan, rng, tile_size_px)
        classes = [CLASSES.index(name) for name, count in plan.demands for _ in range(count)]
        windows = choose_windows(plan, field, rng, tile_size_px, 0.0)
        for number, (window, label) in enumerate(zip(windows, classes, strict=True)):
            image, cover = _cut(field, window, tile_size_px, tile_size_px // image_size_px)
            drawn[plan.split].append((f"{plan.field_id}-{number}", image, cover, label))
    kept = len(drawn["train"]) // multiple * multiple
    if not kept:
        raise SettingsError(
            f"the study needs at least {multiple} tiles to train on, got {len(drawn['train'])} of {num_tiles} tiles; "
            "choose a larger preset"
        )
    drawn["train"] = drawn["train"][:kept]
    splits = {split: _together(rows, image_size_px) for split, rows in drawn.items()}
    return TileSet(splits, _digest(splits), tile_size_px, image_size_px)


def _cut(field: Field, window: Window, tile_px: int, shrink: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    box = (slice(window.top, window.top + tile_px), slice(window.left, window.left + tile_px))
    bands = field.bands[:, box[0], box[1]].transpose(1, 2, 0)
    valid = (field.mask & field.boundary)[box]
    side = tile_px // shrink
    cells = bands.reshape(side, shrink, side, shrink, len(BANDS)).mean(axis=(1, 3))
    whole: NDArray[np.bool_] = np.asarray(valid.reshape(side, shrink, side, shrink).all(axis=(1, 3)))
    return np.rint(cells).astype(np.uint8), whole[..., np.newaxis].astype(np.uint8)


def _together(rows: list[tuple[str, Any, Any, int]], side: int) -> SplitTiles:
    labels = np.eye(len(CLASSES), dtype=np.float32)[np.array([row[3] for row in rows], np.int64)]
    image = np.zeros((len(rows), side, side, len(BANDS)), np.uint8)
    cover = np.zeros((len(rows), side, side, 1), np.uint8)
    for place, row in enumerate(rows):
        image[place], cover[place] = row[1], row[2]
    return SplitTiles(tuple(row[0] for row in rows), image, cover, labels)


def _digest(splits: dict[str, SplitTiles]) -> str:
    digest = hashlib.sha256()
    for name, tiles in splits.items():
        digest.update(f"{name} {tiles.image.shape} {' '.join(tiles.names)} ".encode())
        for values in (tiles.image, tiles.cover, tiles.labels):
            digest.update(values.tobytes())
    return digest.hexdigest()
