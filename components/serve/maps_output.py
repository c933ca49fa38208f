"""The output `maps`: what a model says of the places of a tile, for who asks for it by name, and within bounds."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.contracts import ModelCard
from components.errors import DataError
from components.saved_model.asking import AskedModel
from components.saved_model.checked_answers import as_maps, places_with_maps, tiles_with_maps
from components.serve.message import MAPS
from components.serve.refusal import Refusal, too_large
from components.serve.settings import MIB, ServeSettings

DENSE, ACTIVATION = "dense", "activation"
_SIGNATURES = {DENSE: "dense", ACTIVATION: "maps"}  # of a served model, by kind
_BYTES_IN_JSON = 56  # of a number as text, and as the objects of which the text is made
_BYTES_IN_BINARY = 8  # twice: as an array and in the body


class MapsOutput:
    """What one model has of it; `look` comes first.

    Attributes:
      kind: DENSE for the maps of a dense head, ACTIVATION for class-activation maps, empty for none.
      why_none: Why there is none, for people.
    """

    def __init__(self, card: ModelCard, settings: ServeSettings) -> None:
        self._card, self._settings = card, settings
        self._num_classes = len(card.classes)
        self.kind = self.why_none = ""
        self.most_at_once = tiles_with_maps(card.image_size_px, self._num_classes)

    def look(self, asked: AskedModel) -> None:
        """Finds out what the model has."""
        self.kind = next((kind for kind, signature in _SIGNATURES.items() if asked.has(signature)), "")
        if self.kind:
            return
        if self._card.config.get("head", "tile") != "tile":
            self.why_none = "this version has a dense head whose maps were not scored, so it is served without them"
        else:
            self.why_none = (
                "this version was pushed by a release that served no maps; the next one to be pushed has them"
            )

    @property
    def signature(self) -> str:
        """The signature that answers with maps."""
        return _SIGNATURES[self.kind]

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """The lowest value at which a place shows a class; None where the most probable class is the answer."""
        if self.kind == DENSE and self._card.dense is not None:
            return self._card.dense.thresholds
        return None if self._card.label_mode == "single_label" else self._card.thresholds

    def most_tiles(self, is_binary: bool) -> int:
        """Returns how many tiles one request may ask about: its answer may take half of what all requests may."""
        most_bytes = self._settings.held_mib * MIB // 2
        return max(1, min(self._settings.request_tiles, most_bytes // self._bytes_of_tile(is_binary)))

    def answer_bytes(self, num_tiles: int, is_binary: bool) -> int:
        """Returns the most memory that an answer takes.

        Raises:
          Refusal: if that is too much for one request, or there are no maps.
        """
        if not self.kind:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"output {MAPS}: {self.why_none}", "malformed")
        if num_tiles > (allowed := self.most_tiles(is_binary)):
            way_out = "" if is_binary else f", or {self.most_tiles(True)} if they are wanted binary"
            raise too_large(f"output {MAPS}: at most {allowed} tiles are taken in a request{way_out}, got {num_tiles}")
        return num_tiles * self._bytes_of_tile(is_binary)

    def _bytes_of_tile(self, is_binary: bool) -> int:
        values = places_with_maps(self._card.image_size_px) * self._num_classes
        return values * (_BYTES_IN_BINARY if is_binary else _BYTES_IN_JSON)

    def checked(self, results: Mapping[str, NDArray[Any]], num_tiles: int, uri: str) -> NDArray[np.float32]:
        """Returns the maps among what the model answered, float32 [N, h, w, C] in 0..1.

        Raises:
          DataError: if there are none, or they are not what such a model answers.
        """
        maps = as_maps(results, num_tiles, self._num_classes, uri)
        if maps.shape[1] * maps.shape[2] > places_with_maps(self._card.image_size_px):
            raise DataError(f"model {self._card.version} answers maps of {maps.shape[1]}x{maps.shape[2]} places")
        if not ((maps >= 0) & (maps <= 1)).all():
            raise DataError(f"model {self._card.version} answers maps that are not between 0 and 1")
        return maps


__all__ = ["ACTIVATION", "DENSE", "MapsOutput"]
