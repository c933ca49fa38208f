"""The digest that identifies a planned shard across runs: it covers everything that determines the shard's content."""

import hashlib
from collections.abc import Sequence

import msgspec

from components.contracts import FORMAT_VERSION, SourceTile


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
    ) -> None:
        recipe = msgspec.json.encode([FORMAT_VERSION, layout, classes, bands, min_class_fraction, tile_size_px])
        self._digest = hashlib.sha256(recipe)

    def add(self, tile: SourceTile) -> None:
        """Adds the next tile of the shard."""
        self.add_line(placeless_line(tile))

    def add_line(self, line: bytes) -> None:
        """Adds the next tile, given as its placeless_line."""
        self._digest.update(b"\n" + line)

    def hexdigest(self) -> str:
        """Returns the digest as 64 hexadecimal digits."""
        return self._digest.hexdigest()
