"""The settings of a run of the bench, common to all rows."""

import dataclasses
import functools
from pathlib import Path

from bench.dataset import Dataset, open_dataset


@dataclasses.dataclass(frozen=True)
class Setup:
    """The settings of one run.

    Attributes:
      folder: Where the tiles are made and kept.
      num_dataset_tiles, tile_size_px: Number and side of the dataset's tiles.
      num_threads: Threads for each side.
      batch_size: In tiles.
      num_batches: Timed batches in a turn.
      memory_tiles: The two numbers of tiles that memory_growth compares.
      scale_tiles: Number of tiles in the rows without pixels.
      mlserver, bentoml: Environments in which MLServer and BentoML are installed; None for none.
      side: "ours" or "other" in a process that runs this side of a row; otherwise empty.
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
    mlserver: Path | None = None
    bentoml: Path | None = None
    side: str = ""

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The dataset of most rows; it must exist already."""
        return open_dataset(self.folder, self.num_dataset_tiles, self.tile_size_px)

    @property
    def num_tiles(self) -> int:
        """The number of tiles in a turn."""
        return self.batch_size * self.num_batches
