"""The digest that identifies a planned shard across runs: it covers everything that determines the shard's content."""

import hashlib
from collections.abc import Sequence

import msgspec

from components.agrivision import CLASS_FOLDERS
from components.contracts import FORMAT_VERSION, SourceTile

# Raised when pictures of class folders are read in another way, so that their shards are written anew. 2: what EXIF
# says is turned is turned, and 16 bits are read.
_CLASS_FOLDERS_VERSION = 2
_LABEL_MASKS = "label masks, 1"  # raised when they are stored in another way; adds nothing where there are none
_FULL_16_BIT = 65_535  # adds nothing to the digest: shards that were made before there was a choice stay


def placeless_line(tile: SourceTile) -> bytes:
    """Returns a tile as JSON with sorted keys, an empty split and shard 0.

    A shard's place is not part of its content: the same tiles in another place need no new shard.
    """
    return msgspec.json.encode(msgspec.structs.replace(tile, split="", shard=0), order="sorted")


class SourceDigest:
    """A sha256 over the settings that shape every shard and over the tiles of one shard, in order."""

    def __init__(
        self,
        *,
        layout: str,
        classes: Sequence[str],
        bands: Sequence[str],
        min_class_fraction: float,
        tile_size_px: int,
        max_16_bit: int,
        label_masks: bool,
    ) -> None:
        recipe = [FORMAT_VERSION, layout, classes, bands, min_class_fraction, tile_size_px]
        if layout == CLASS_FOLDERS:
            recipe.append(_CLASS_FOLDERS_VERSION)
        if max_16_bit != _FULL_16_BIT:
            recipe.append(max_16_bit)
        if label_masks:
            recipe.append(_LABEL_MASKS)
        self._digest = hashlib.sha256(msgspec.json.encode(recipe))

    def add(self, tile: SourceTile) -> None:
        """Adds the next tile of the shard."""
        self.add_line(placeless_line(tile))

    def add_line(self, line: bytes) -> None:
        """Adds the next tile, given as its placeless_line."""
        self._digest.update(b"\n" + line)

    def hexdigest(self) -> str:
        """Returns the digest as 64 hexadecimal digits."""
        return self._digest.hexdigest()
