"""The digest of a planned shard, by which a second run knows it: of all that its bytes and its receipt follow from."""

import hashlib
from collections.abc import Sequence

import msgspec

from components.contracts import FORMAT_VERSION, SourceTile


def placeless_line(tile: SourceTile) -> bytes:
    """Returns a tile as JSON with an empty split and shard 0, its keys in order.

    Where a shard belongs is no part of its content: the same tiles in another place need no new shard.
    """
    return msgspec.json.encode(msgspec.structs.replace(tile, split="", shard=0), order="sorted")


class SourceDigest:
    """A sha256 over the settings that shape every shard, and over the tiles of one, in their order."""

    def __init__(
        self,
        *,
        layout: str,
        classes: Sequence[str],
        bands: Sequence[str],
        min_class_fraction: float,
        tile_size_px: int,
    ) -> None:
        recipe = msgspec.json.encode([FORMAT_VERSION, layout, classes, bands, min_class_fraction, tile_size_px])
        self._digest = hashlib.sha256(recipe)

    def add(self, tile: SourceTile) -> None:
        self.add_line(placeless_line(tile))

    def add_line(self, line: bytes) -> None:
        """Does what add does, for a tile that is given as its placeless_line."""
        self._digest.update(b"\n" + line)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
