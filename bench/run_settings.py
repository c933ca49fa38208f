"""What all rows are measured with."""

import dataclasses

from bench.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class Setup:
    """One run of the bench.

    Attributes:
      num_threads: Of both sides.
      batch_size: Tiles.
      num_batches: Timed in a turn.
    """

    dataset: Dataset
    num_threads: int
    batch_size: int
    num_batches: int
    num_rounds: int

    @property
    def num_tiles(self) -> int:
        """Tiles of a turn."""
        return self.batch_size * self.num_batches
