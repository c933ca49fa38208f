"""Checks a tile of a request and, where the model takes pixels, decodes it for the model: once.

A model may see its tiles smaller than they are, by a JPEG decoder that scales down. Such a tile is decoded only as the
model sees it, in a fraction of the time. That shows the same damage, since all of the file is read. But it does not
show how the pixels of the tile itself are distributed, so that some tiles are decoded whole as well, to be counted.
"""

import dataclasses
import zlib
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from components.contracts import ModelCard
from components.predict.checked import opened_contents
from components.records.image_header import read_header
from components.records.mask_png import encode_mask
from components.records.tile_pixels import TilePixels, ratio_and_side, scaled_valid
from components.records.tile_record import Record
from components.saved_model.answering import DECODED
from components.saved_model.asking import AskedModel
from components.serve.refusal import unusable_tile
from components.serve.tile_checks import NIR, RGB, VALID_MASK, checks_for, given_files
from components.shard.tile_check import OpenedTile

COUNTED_OF = 16  # of so many tiles that are decoded scaled down, one is decoded whole and counted
_TOLD_BY_BYTES = 1024  # at the end of a file, and by its length: many tiles end in the same black rows
_INPUT_OF = {"rgb": RGB, "nir": NIR, "mask": VALID_MASK}  # by the name that the checks have for it


@dataclasses.dataclass(frozen=True)
class CheckedInput:
    """A tile that a run of the pipeline would keep.

    Attributes:
      tile: What the model is asked about: its pixels, or its files where the model decodes it.
      band_histogram: Valid pixels by value, int64 [B, 256]; None if they were not counted.
    """

    tile: TilePixels | Record
    band_histogram: NDArray[np.int64] | None


class Decoding:
    """How the tiles of one model are checked and decoded; used by many threads at once.

    Attributes:
      checks: What the checks know of the model.
      gives_pixels: Whether the model takes pixels; only known after `look`.
    """

    def __init__(self, card: ModelCard) -> None:
        self.checks = checks_for(card)
        self.gives_pixels = False
        self._size_px = card.image_size_px
        self._is_told = not isinstance(card.stored_px, msgspec.UnsetType)
        self._stored_px = 0 if isinstance(card.stored_px, msgspec.UnsetType) else card.stored_px
        self._ratio, self._side = ratio_and_side(self._stored_px, card.image_size_px)

    def look(self, asked: AskedModel) -> None:
        """Finds out whether the model takes pixels, which one of an earlier version does not."""
        self.gives_pixels = self._is_told and asked.has(DECODED)

    def check(self, files: Mapping[str, bytes], number: int, *, as_files: bool = False) -> CheckedInput:
        """Returns one tile whose headers were checked.

        Args:
          files: By input; an empty valid_mask says that every pixel counts.
          number: Its place in the request, for messages.
          as_files: Whether the model is asked about its files, which only some of its signatures take.

        Raises:
          Refusal: if no run of the pipeline would keep the tile.
        """
        given = given_files(files)
        if not self.gives_pixels or as_files:
            opened = self._opened(given, number)
            return CheckedInput(_record(opened), opened.band_histogram())
        scaled = self._scaled(given) if self._is_scaled(given) else None
        if scaled is not None and not is_counted_tile(given[RGB]):
            return CheckedInput(self._for_model(scaled), None)
        whole = self._opened(given, number)
        # A JPEG of another size than usual is scaled down by the model's decoder, too, and left to it.
        seen = whole if self._ratio == 1 else scaled
        return CheckedInput(self._for_model(seen) if seen else _record(whole), whole.band_histogram())

    def _is_scaled(self, files: Mapping[str, bytes]) -> bool:
        """Tells whether a tile is of the kind and size that the model's decoder scales down to the usual side."""
        if self._ratio == 1:
            return False
        headers = [read_header(files[name]) for name in (RGB, NIR) if name in files]
        sides = {side for header in headers for side in (header.width, header.height)}
        return sides == {self._stored_px} and all(header.format == "JPEG" for header in headers)

    def _scaled(self, files: Mapping[str, bytes]) -> OpenedTile | None:
        """Returns a tile that is scaled down while it is decoded; None if it had to be looked at whole.

        What is wrong with a tile is said of the whole tile, and a whole tile may be good where this one is not.
        """
        opened = opened_contents(_by_role(files), self.checks, self._ratio)
        return None if isinstance(opened, str) or opened.rgb.scaled_from is None else opened

    def _opened(self, files: Mapping[str, bytes], number: int) -> OpenedTile:
        opened = opened_contents(_by_role(files), self.checks)
        if isinstance(opened, OpenedTile):
            return opened
        role, _, reason = opened.partition(": ")
        if role in _INPUT_OF and reason:
            raise unusable_tile(f"{_INPUT_OF[role]}[{number}]: {reason}")
        raise unusable_tile(f"tile {number}: {opened}")

    def _for_model(self, opened: OpenedTile) -> TilePixels | Record:
        """Returns a tile's pixels if it has the usual size, else its files: a batch of pixels has one size."""
        rgb, nir = opened.rgb.pixels, opened.nir.pixels if opened.nir else None
        if any(part is not None and part.shape[:2] != (self._side, self._side) for part in (rgb, nir)):
            return _record(opened)
        return TilePixels(rgb, nir, scaled_valid(opened.valid, self._size_px))


def is_counted_tile(rgb: bytes) -> bool:
    """Tells whether a tile is one of the few that are counted; equal files are all counted, or none of them."""
    return not zlib.crc32(rgb[-_TOLD_BY_BYTES:], len(rgb)) % COUNTED_OF


def _by_role(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {role: files[name] for role, name in _INPUT_OF.items() if name in files}


def _record(opened: OpenedTile) -> Record:
    """Returns a tile as a shard would hold it, but for its names and labels."""
    valid = b"" if opened.valid.all() else encode_mask(opened.valid)
    return Record("", "", opened.rgb.stored(), opened.nir.stored() if opened.nir else b"", valid, (), ())
