"""The tiles that wait for a model, in the order in which they came, and which of them the model is asked about next.

A batch is full by tiles, by pixels or by bytes, so that one of large tiles does not keep all others waiting; and those
who want maps are answered apart, because maps take more time and memory.
"""

import asyncio
import collections
import dataclasses
from collections.abc import Iterable
from typing import Any, TypeAlias

from numpy.typing import NDArray

from components.records.tile_pixels import TilePixels
from components.records.tile_record import Record
from components.serve.settings import ServeSettings

_MOST_BATCH_BYTES = 64 << 20  # of images, as files or as pixels

Answer: TypeAlias = dict[str, NDArray[Any]]  # of one tile, by output


@dataclasses.dataclass
class WaitingTile:
    """A tile whose answer somebody waits for.

    Attributes:
      tile: Its files, or its pixels.
      num_pixels: Of its largest image.
      wants_maps: Whether the answer is to have maps.
      since: When it came, by the clock of the event loop.
    """

    tile: Record | TilePixels
    num_pixels: int
    wants_maps: bool
    answered: "asyncio.Future[Answer]"
    since: float

    @property
    def num_bytes(self) -> int:
        """The bytes of its images."""
        if isinstance(self.tile, Record):
            return len(self.tile.rgb) + len(self.tile.nir) + len(self.tile.valid_mask)
        return sum(part.nbytes for part in self.tile if part is not None)


class TileQueue(collections.deque[WaitingTile]):
    """The waiting tiles, oldest first."""

    def __init__(self, settings: ServeSettings, most_with_maps: int) -> None:
        super().__init__()
        self._settings, self._most_with_maps = settings, most_with_maps

    def forget_the_gone(self) -> None:
        """Drops the oldest tiles that nobody waits for any more."""
        while self and self[0].answered.done():
            self.popleft()

    def is_enough(self) -> bool:
        """Tells whether the next batch would be full if it were taken now."""
        num_tiles = num_pixels = 0
        for each in self:
            num_tiles, num_pixels = num_tiles + 1, num_pixels + each.num_pixels
            if self._is_full(num_tiles, num_pixels, 0, each.wants_maps) or each.wants_maps != self[0].wants_maps:
                return True
        return False

    def is_small(self, tiles: Iterable[WaitingTile]) -> bool:
        """Tells whether a batch of these tiles has half of what one may have, at most.

        Files, and tiles whose maps are wanted, take memory that only the model knows: a batch with one is not small.
        """
        num_tiles = num_pixels = 0
        for each in tiles:
            num_tiles, num_pixels = num_tiles + 1, num_pixels + each.num_pixels
            if (
                num_tiles > self._settings.batch_tiles // 2
                or num_pixels > self._settings.batch_pixels // 2
                or isinstance(each.tile, Record)
                or each.wants_maps
            ):
                return False
        return True

    def take(self) -> list[WaitingTile]:
        """Removes the next batch and returns it: at least one tile, if anybody waits for any."""
        batch: list[WaitingTile] = []
        num_pixels = num_bytes = 0
        while self and not self._is_full(len(batch), num_pixels, num_bytes, self[0].wants_maps):
            each = self[0]
            if batch and (
                each.wants_maps != batch[0].wants_maps
                or num_pixels + each.num_pixels > self._settings.batch_pixels
                or num_bytes + each.num_bytes > _MOST_BATCH_BYTES
            ):
                break
            self.popleft()
            if not each.answered.done():
                batch.append(each)
                num_pixels, num_bytes = num_pixels + each.num_pixels, num_bytes + each.num_bytes
        return batch

    def _is_full(self, num_tiles: int, num_pixels: int, num_bytes: int, wants_maps: bool) -> bool:
        most = self._settings.batch_tiles
        if wants_maps:
            most = min(most, self._most_with_maps)
        return num_tiles >= most or num_pixels >= self._settings.batch_pixels or num_bytes >= _MOST_BATCH_BYTES
