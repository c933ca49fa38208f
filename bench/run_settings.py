"""What all rows are measured with."""

import dataclasses
import functools
from pathlib import Path

from bench.dataset import Dataset, open_dataset


@dataclasses.dataclass(frozen=True)
class Setup:
    """One run of the bench.

    Attributes:
      folder: Where the tiles are made and kept.
      num_dataset_tiles, tile_size_px: Of the dataset.
      num_threads: Of both sides.
      batch_size: Tiles.
      num_batches: Timed in a turn.
      memory_tiles: The two numbers of tiles whose memory is compared.
      scale_tiles: Of the rows that have names and no pixels.
      side: "ours" or "other" in a process that runs this side of a row; else empty.
    """

    folder: Path
    num_dataset_tiles: int
    tile_size_px: int
    num_threads: int
    batch_size: int
    num_batches: int
    num_rounds: int
    memory_tiles: tuple[int, int]
    scale_tiles: int
    side: str = ""

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The dataset that most rows are measured on; it must have been made."""
        return open_dataset(self.folder, self.num_dataset_tiles, self.tile_size_px)

    @property
    def num_tiles(self) -> int:
        """Tiles of a turn."""
        return self.batch_size * self.num_batches
