"""Writes which class each pixel of a tile shows, as the Agriculture-Vision challenges take predictions: a PNG a tile.

Grey, 8 bits, of the tile's own size: 0 for background, c + 1 for the class c of the model's list, which for data in the
layout of a challenge is the challenge's order. Pixels that do not count are background. `label-maps.json` beside them
says what the numbers mean, and is there first, so that a folder of anything else is never written to.
"""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import storage
from components.errors import DataError, SettingsError
from components.predict.asking import PlacesAnswer, TileAnswer
from components.predict.pushed_model import PushedModel
from components.records.mask_png import packed_mask
from components.records.source_formats import IMAGE_SUFFIXES
from components.records.source_image import as_png
from components.safe_path import path_fault, shown
from components.scoring.dense.pixel_classes import log_odds, pixel_classes

LEGEND = "label-maps.json"
_OPTION = "--label-maps"
_BACKGROUND = "background"


def label_map_name(tile: str) -> str:
    """Returns the name of a tile's label map in the folder: its own, without a way up or an image's ending."""
    parts = [part for part in tile.split("/") if part not in ("", ".", "..")]
    name = "/".join(parts)
    ending = next((suffix for suffix in IMAGE_SUFFIXES if name.lower().endswith(suffix)), "")
    return f"{name.removesuffix(name[len(name) - len(ending) :]) if ending else name}.png"


def require_own_names(places: Sequence[str]) -> None:
    """Refuses images or folders whose label maps would have one name.

    Raises:
      SettingsError: if there are such.
    """
    seen: dict[str, str] = {}
    for place in places:
        other = seen.setdefault(label_map_name(place), place)
        if other != place:
            raise SettingsError(
                f"the label maps of {other!r} and {place!r} would have one name; ask about one of them at a time"
            )


class LabelMaps:
    """A folder of label maps of one model."""

    def __init__(self, folder: str, model: PushedModel) -> None:
        """Opens the folder, and makes it if it is not there.

        Raises:
          SettingsError: if the model has no maps, or the folder holds anything but label maps of this model.
        """
        dense = model.card.dense
        if dense is None or len(dense.thresholds) != len(model.card.classes):
            raise SettingsError(
                f"model {model.card.version} answers for tiles and has no maps of places that were judged, which "
                f"{_OPTION} needs; push one with a dense head"
            )
        self._folder, self._thresholds = folder, dense.thresholds
        legend = {
            "model": model.card.version,
            "values": {str(value): name for value, name in enumerate((_BACKGROUND, *model.card.classes))},
        }
        self._open(json.dumps(legend, indent=2).encode() + b"\n", model.card.version)

    def _open(self, legend: bytes, version: str) -> None:
        uri = storage.join(self._folder, LEGEND)
        if storage.exists(uri):
            if storage.read_bytes(uri) != legend:
                raise SettingsError(
                    f"{_OPTION} {self._folder!r} holds label maps of another model than {version}; give another folder"
                )
            return
        try:
            other = next(iter(storage.list_files(self._folder)), None)
        except DataError:
            other = None  # there is no such folder yet
        if other is not None:
            raise SettingsError(
                f"{_OPTION} {self._folder!r} holds other files, such as {other.path!r}, and no {LEGEND}; give an empty "
                "folder, or one of an earlier run"
            )
        storage.write_bytes(uri, legend)

    def add(self, answer: TileAnswer) -> TileAnswer:
        """Writes a tile's label map; returns the answer, with a problem if its name is none for a file."""
        if answer.places is None:
            return answer
        name = label_map_name(answer.tile)
        if fault := path_fault(name):
            return dataclasses.replace(answer, problem=f"no label map: the name {shown(name)} {fault}")
        storage.write_bytes(
            storage.join(self._folder, name), as_png(label_map(answer.places, self._thresholds)[..., np.newaxis])
        )
        return answer


def label_map(places: PlacesAnswer, thresholds: Sequence[float]) -> NDArray[np.uint8]:
    """Returns the class of each pixel, uint8 [H, W]: c + 1 for class c, 0 for background and what does not count."""
    found = pixel_classes(log_odds(places.maps), thresholds, places.height, places.width)
    if places.valid_mask:
        packed, width = packed_mask(places.valid_mask)
        found *= np.unpackbits(packed, axis=1, count=width)
    return found
