"""Reads tiles again to show them: RGB, and where the model saw what, over RGB and NIR."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Manifest
from components.errors import DataError
from components.records import jpeg
from components.records.image_header import DamagedImage
from components.records.shard_records import records_of
from components.records.tile_record import Record
from components.saved_model.answering import MAPS
from components.saved_model.asking import AskedModel

_SIDE_PX = 144
_GAP_PX = 4
_DIMMED = 0.35
_STRONGEST = 0.75  # of a heat's colour over the picture
FOR_COLOUR, AGAINST_COLOUR = (230, 97, 1), (94, 60, 153)  # orange and violet, distinct for colour-blind readers
_TILES_AT_ONCE = 4  # 10 MB of maps of 300 classes at 16 x 16 places each

Pixels = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class ShownTile:
    """A tile as the report shows it.

    Attributes:
      maps: What each place adds to the logit of each class, [h, w, C]; None if the model's export has no maps.
      where: The record's place, for an error.
      way_out: What to do if it is damaged.
    """

    record: Record
    maps: NDArray[np.float32] | None
    where: str = ""
    way_out: str = ""


def read_shown(
    data_root: str, manifest: Manifest, split: str, positions: Iterable[int], model: AskedModel | None
) -> dict[int, ShownTile]:
    """Reads the tiles at `positions` of a split again, by position, and asks the model about them.

    Args:
      model: An exported training; None for no maps.
    """
    records = _read(data_root, manifest, split, positions)
    maps: dict[int, NDArray[np.float32]] = {}
    if model is not None and model.has(MAPS):
        order = list(records)
        for start in range(0, len(order), _TILES_AT_ONCE):
            batch = order[start : start + _TILES_AT_ONCE]
            images = {name: [getattr(records[at], name) for at in batch] for name in ("rgb", "nir", "valid_mask")}
            maps |= zip(batch, model.maps(images, len(manifest.classes)), strict=True)
    shown = {}
    for at, record in records.items():
        index, uri = _place_of(data_root, manifest, split, at)
        way_out = f"{storage.delete_it(data_root, uri)} and run the shard step again"
        shown[at] = ShownTile(record, maps.get(at), f"record {index} of shard {uri!r}", way_out)
    return shown


def _place_of(data_root: str, manifest: Manifest, split: str, position: int) -> tuple[int, str]:
    """Returns the number of a record in its shard, and the shard's URI."""
    for shard in manifest.splits[split].shards:
        if position < shard.num_tiles:
            return position, storage.join(data_root, shard.path)
        position -= shard.num_tiles
    raise IndexError(position)


def _read(data_root: str, manifest: Manifest, split: str, positions: Iterable[int]) -> dict[int, Record]:
    wanted = set(positions)
    found: dict[int, Record] = {}
    first = 0
    for shard in manifest.splits[split].shards:
        here = {position - first for position in wanted if first <= position < first + shard.num_tiles}
        if here:
            last = max(here)
            for index, record in enumerate(records_of(data_root, shard, len(manifest.classes))):
                if index in here:
                    found[first + index] = record
                if index == last:
                    break
        first += shard.num_tiles
    return found


def heat_scale(maps: Sequence[NDArray[np.float32] | None], class_number: int) -> float:
    """Returns what is drawn in full colour: the highest 2 % of what places add, of all tiles shown for a class."""
    sizes = [np.abs(each[..., class_number]).ravel() for each in maps if each is not None]
    return float(np.quantile(np.concatenate(sizes), 0.98)) if sizes else 0.0


def picture(tile: ShownTile, class_number: int, scale: float) -> Pixels:
    """Returns a tile's pictures side by side, uint8 [H, W, 3]; invalid pixels are dimmed.

    RGB, then RGB and NIR under the class's map; without a map, RGB and NIR.

    Args:
      scale: What a place must add to the logit to be drawn in full colour.

    Raises:
      DamagedImage: if an image cannot be decoded.
    """
    record = tile.record
    bands = [_pixels(record.rgb, 3)]
    if record.nir:
        bands.append(_pixels(record.nir, 1).repeat(3, axis=-1))
    if record.valid_mask:
        valid = _pixels(record.valid_mask, 1) > 127
        bands = [np.where(valid, band, (band * _DIMMED).astype(np.uint8)) for band in bands]
    parts = bands
    if tile.maps is not None:
        parts = [bands[0], *(_under_heat(band, tile.maps[..., class_number], scale) for band in bands)]
    gap = np.full((_SIDE_PX, _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([parts[0], *(each for part in parts[1:] for each in (gap, part))], axis=1)


def pictures_of(tiles: Sequence[ShownTile], class_number: int) -> list[Pixels]:
    """Returns the picture of each tile, all on one scale.

    Raises:
      DataError: if an image cannot be decoded; names the shard and the record.
    """
    scale = heat_scale([tile.maps for tile in tiles], class_number)
    found = []
    for tile in tiles:
        try:
            found.append(picture(tile, class_number, scale))
        except DamagedImage as error:
            raise DataError(f"{tile.where} cannot be decoded: {error}; {tile.way_out}") from error
    return found


def _under_heat(pixels: Pixels, adds: NDArray[np.float32], scale: float) -> Pixels:
    from PIL import Image

    smooth = Image.fromarray(adds.astype(np.float32)).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR)
    parts = np.clip(np.asarray(smooth) / (scale or 1.0), -1, 1)[..., np.newaxis]
    strength = np.sign(parts) * np.sqrt(np.abs(parts))  # so that what says little can still be seen
    colour = np.where(strength > 0, FOR_COLOUR, AGAINST_COLOUR)
    grey = pixels.mean(axis=-1, keepdims=True)  # so that the heat's colours stand out
    share = _STRONGEST * np.abs(strength)
    return np.asarray((1 - share) * (0.6 * grey + 0.4 * pixels) + share * colour, np.uint8)


def _pixels(encoded: bytes, num_bands: int) -> Pixels:
    """Returns a thumbnail, uint8 [H, W, num_bands]."""
    from PIL import Image

    pixels = jpeg.decode(encoded, num_bands)
    small = Image.fromarray(pixels if num_bands > 1 else pixels[..., 0]).resize((_SIDE_PX, _SIDE_PX))
    return np.asarray(small, np.uint8).reshape(_SIDE_PX, _SIDE_PX, num_bands)


def hexadecimal(colour: tuple[int, int, int]) -> str:
    """Returns a colour as CSS has it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
