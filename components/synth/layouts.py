"""Writes the tiles of a field into the folders of a layout."""

import dataclasses
import functools
import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.agrivision import CLASS_FOLDERS, PAPER_2020, SPLITS, TileId
from components.synth.field import Field
from components.synth.plan import LAYOUT_CLASSES, YEARS, FieldPlan
from components.synth.shapes import BoolArray
from components.synth.windows import Window

# These give the file sizes of the dataset: 100-120 kB of RGB and 70-80 kB of NIR at 512 x 512 pixels.
_RGB_QUALITY = 91
_NIR_QUALITY = 83


@dataclasses.dataclass(frozen=True)
class TileRecord:
    """What was written for one tile.

    Attributes:
      tile_id: The tile.
      split, year: Split and year of its field.
      label_areas: Per class, the pixels of each annotated region, as labelled on disk; empty if
        labels are withheld.
      num_bytes: Size of all its files.
    """

    tile_id: TileId
    split: str
    year: int
    label_areas: dict[str, list[int]]
    num_bytes: int


@dataclasses.dataclass(frozen=True)
class _Folders:
    """Where the files of a tile go, relative to the dataset; `labels` is None if they are withheld."""

    rgb: str
    nir: str
    labels: str | None
    boundary: str
    mask: str


def _folders(layout: str, split: str, year: int) -> _Folders:
    if layout == PAPER_2020:
        top = f"data{year}_miniscale"
        images = f"{top}/field_images"
        return _Folders(
            f"{images}/rgb", f"{images}/nir", f"{top}/field_labels", f"{top}/field_bounds", f"{top}/field_masks"
        )
    labels = f"{split}/labels" if split != "test" else None
    return _Folders(f"{split}/images/rgb", f"{split}/images/nir", labels, f"{split}/boundaries", f"{split}/masks")


def make_folders(root: Path, layout: str) -> None:
    """Makes the empty folders of a layout: a release has them even where no tile shows the class."""
    for split in SPLITS:
        if layout == CLASS_FOLDERS:
            for name in LAYOUT_CLASSES[layout]:
                (root / split / name).mkdir(parents=True)
            continue
        for year in YEARS:
            folders = _folders(layout, split, year)
            labels = [f"{folders.labels}/{name}" for name in LAYOUT_CLASSES[layout]] if folders.labels else []
            for folder in (folders.rgb, folders.nir, folders.boundary, folders.mask, *labels):
                (root / folder).mkdir(parents=True, exist_ok=True)


def write_tiles(
    root: Path, layout: str, plan: FieldPlan, field: Field, windows: list[Window], origin: tuple[int, int], tile_px: int
) -> list[TileRecord]:
    """Writes one tile per window into folders that exist, and returns their records.

    Args:
      root: The dataset's folder.
      layout: One of components.agrivision.LAYOUTS.
      plan: The field's plan; its demands name the windows' classes, in order.
      field: The field that the windows are cut from.
      windows: Where to cut the tiles.
      origin: Position (x, y) of the field's raster that the tiles' names start from, in px.
      tile_px: Side of a tile, in px.
    """
    demanded = [name for name, count in plan.demands for _ in range(count)]
    records = []
    for window, class_name in zip(windows, demanded, strict=True):
        box = (slice(window.top, window.top + tile_px), slice(window.left, window.left + tile_px))
        x, y = origin[0] + window.left, origin[1] + window.top
        tile_id = TileId(plan.field_id, x, y, x + tile_px, y + tile_px)
        bands = field.bands[:, box[0], box[1]]
        rgb = _jpeg(np.ascontiguousarray(bands[:3].transpose(1, 2, 0)), _RGB_QUALITY)
        areas = _label_areas(field, box)
        if layout == CLASS_FOLDERS:
            areas = {class_name: areas.get(class_name, [])}
            files = {f"{plan.split}/{class_name}/{tile_id}.jpg": rgb}
        else:
            folders = _folders(layout, plan.split, plan.year)
            files = {
                f"{folders.rgb}/{tile_id}.jpg": rgb,
                f"{folders.nir}/{tile_id}.jpg": _jpeg(np.ascontiguousarray(bands[3]), _NIR_QUALITY),
                f"{folders.boundary}/{tile_id}.png": _png(field.boundary[box]),
                f"{folders.mask}/{tile_id}.png": _png(field.mask[box]),
            }
            if folders.labels is None:
                areas = {}
            else:
                for name in LAYOUT_CLASSES[layout]:
                    files[f"{folders.labels}/{name}/{tile_id}.png"] = _label_png(field, name, box)
        for path, content in files.items():
            (root / path).write_bytes(content)
        num_bytes = sum(len(content) for content in files.values())
        records.append(TileRecord(tile_id, plan.split, plan.year, areas, num_bytes))
    return records


def write_field_stats(root: Path, records: list[TileRecord], tile_px: int) -> int:
    """Writes the paper release's two JSON files per year and returns their size in bytes.

    `data<year>_miniscale/field_stats.json` holds, per split and per path of a tile's boundary, how
    many regions of each class were annotated (`label_counts`) and the pixels of each (`label_areas`).
    `data<year>_splits.json`, beside that folder, holds the field ids of each split.
    """
    num_bytes = 0
    for year in YEARS:
        stats: dict[str, dict[str, object]] = {split: {} for split in SPLITS}
        fields: dict[str, set[str]] = {split: set() for split in SPLITS}
        for record in records:
            if record.year != year:
                continue
            fields[record.split].add(record.tile_id.field_id)
            areas = {name: record.label_areas.get(name, []) for name in LAYOUT_CLASSES[PAPER_2020]}
            stats[record.split][f"field_bounds/{record.tile_id}.png"] = {
                "image_area": tile_px * tile_px,
                "label_counts": {name: len(regions) for name, regions in areas.items()},
                "label_areas": areas,
            }
        splits = {split: sorted(ids) for split, ids in fields.items()}
        for path, content in ((f"data{year}_miniscale/field_stats.json", stats), (f"data{year}_splits.json", splits)):
            num_bytes += (root / path).write_bytes(json.dumps(content, sort_keys=True, indent=1).encode())
    return num_bytes


def _label_areas(field: Field, box: tuple[slice, slice]) -> dict[str, list[int]]:
    areas: dict[str, list[int]] = {}
    for name, label in field.labels:
        if area := int(np.count_nonzero(label[box])):
            areas.setdefault(name, []).append(area)
    return areas


def _label_png(field: Field, name: str, box: tuple[slice, slice]) -> bytes:
    regions = [label[box] for other, label in field.labels if other == name]
    if not any(region.any() for region in regions):
        return _blank_png(box[0].stop - box[0].start)
    return _png(np.logical_or.reduce(regions))


def _jpeg(pixels: npt.NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _png(layer: BoolArray) -> bytes:
    """Returns `layer` [H, W] as an 8-bit grey PNG of 0 and 255."""
    buffer = io.BytesIO()
    Image.fromarray(layer.astype(np.uint8) * np.uint8(255)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


@functools.cache
def _blank_png(tile_px: int) -> bytes:
    return _png(np.zeros((tile_px, tile_px), np.bool_))
