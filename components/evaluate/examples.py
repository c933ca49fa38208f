"""Chooses tiles that show what a model gets right and wrong, by the model's own confidence."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Manifest
from components.errors import DataError
from components.evaluate.reading.predictions import Predictions
from components.records import jpeg
from components.records.image_header import DamagedImage
from components.records.shard_records import records_of

_THUMBNAIL_PX = 128
_GAP_PX = 4
_DIMMED = 0.35


@dataclasses.dataclass(frozen=True)
class JudgedTile:
    """One tile to show for one class.

    Attributes:
      outcome: "found", "missed" or "false alarm".
      row: The tile's row in the predictions.
    """

    class_name: str
    outcome: str
    row: int


def choose_judged_tiles(
    predictions: Predictions, predicted: NDArray[np.bool_], classes: Sequence[str]
) -> list[JudgedTile]:
    """Chooses, for each class, the surest tile found, the worst one missed and the surest false alarm, if any."""
    examples = []
    for c, name in enumerate(classes):
        scores, true, guess = predictions.probabilities[:, c], predictions.labels[:, c], predicted[:, c]
        for outcome, rows, order in (
            ("found", true & guess, -scores),
            ("missed", true & ~guess, scores),
            ("false alarm", guess & ~true, -scores),
        ):
            among = np.flatnonzero(rows)
            if len(among):
                examples.append(JudgedTile(name, outcome, int(among[np.argmin(order[among])])))
    return examples


def read_thumbnails(
    data_root: str, manifest: Manifest, split: str, positions: Iterable[int]
) -> dict[int, NDArray[np.uint8]]:
    """Reads the tiles at `positions` of a split again, and returns a thumbnail of each, uint8 [H, W, 3].

    A thumbnail shows RGB and, if present, NIR below it; invalid pixels are dimmed.

    Raises:
      DataError: if an image cannot be decoded; names the shard and the record.
    """
    wanted = set(positions)
    thumbnails: dict[int, NDArray[np.uint8]] = {}
    first = 0
    for shard in manifest.splits[split].shards:
        here = sorted(position - first for position in wanted if first <= position < first + shard.num_tiles)
        if here:
            for index, record in enumerate(records_of(data_root, shard, len(manifest.classes))):
                if index in here:
                    try:
                        thumbnails[first + index] = _thumbnail(record.rgb, record.nir, record.valid_mask)
                    except DamagedImage as error:
                        where = f"record {index} of shard {storage.join(data_root, shard.path)!r}"
                        raise DataError(
                            f"{where} cannot be decoded: {error}; delete the shard and run the shard step again"
                        ) from error
                if index == here[-1]:
                    break
        first += shard.num_tiles
    return thumbnails


def _thumbnail(rgb: bytes, nir: bytes, valid_mask: bytes) -> NDArray[np.uint8]:
    bands = [_pixels(rgb, 3)]
    if nir:
        bands.append(_pixels(nir, 1).repeat(3, axis=-1))
    if valid_mask:
        valid = _pixels(valid_mask, 1) > 127
        bands = [np.where(valid, band, (band * _DIMMED).astype(np.uint8)) for band in bands]
    gap = np.full((_GAP_PX, _THUMBNAIL_PX, 3), 255, np.uint8)
    return np.concatenate([bands[0], *(part for band in bands[1:] for part in (gap, band))], axis=0)


def _pixels(encoded: bytes, num_bands: int) -> NDArray[np.uint8]:
    """Returns a thumbnail, uint8 [H, W, num_bands]."""
    from PIL import Image

    pixels = jpeg.decode(encoded, num_bands)
    small = Image.fromarray(pixels if num_bands > 1 else pixels[..., 0]).resize((_THUMBNAIL_PX, _THUMBNAIL_PX))
    return np.asarray(small, np.uint8).reshape(_THUMBNAIL_PX, _THUMBNAIL_PX, num_bands)
