"""How much the experiments on learning do in each preset; a preset's own numbers are upper limits."""

import dataclasses

from components.study.experiments.experiment import Preset
from components.study.experiments.learning.tiles import TileSet, draw_tiles

# Arms with other batches see the very same tiles in an epoch, in the same order, only if every batch divides the split.
LARGEST_BATCH = 64
TILES_SEED = 20_210_601
_DRAWN_PX = 64  # the smallest tile whose rows of plants are wider than a pixel
_MOST_TILES = {"ci": 120, "laptop": 600, "gpu": 6000}
_MOST_EPOCHS = {"ci": 3, "laptop": 12, "gpu": 50}
_IMAGE_SIZE_PX = {"ci": 32, "laptop": 32, "gpu": 64}


@dataclasses.dataclass(frozen=True)
class LearningSize:
    """What a training of the study reads, and how often.

    Attributes:
      num_tiles: Over all splits.
      epochs: Of a training, unless epochs are what is compared.
    """

    num_tiles: int
    image_size_px: int
    epochs: int

    @classmethod
    def of(cls, preset: Preset) -> "LearningSize":
        """Returns the size for a preset."""
        return cls(
            num_tiles=min(preset.num_tiles, _MOST_TILES[preset.name]),
            image_size_px=_IMAGE_SIZE_PX[preset.name],
            epochs=min(preset.epochs, _MOST_EPOCHS[preset.name]),
        )


def preset_tiles(preset: Preset) -> TileSet:
    """Returns the tiles that all experiments on learning share in a preset."""
    size = LearningSize.of(preset)
    return draw_tiles(size.num_tiles, _DRAWN_PX, size.image_size_px, TILES_SEED, LARGEST_BATCH)
