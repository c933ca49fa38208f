"""What follows from an arm's settings without being one of them, and would be as unfair if it differed."""

import math
from typing import Any

from components.study.arms.arm import Arm
from components.train.settings.tuning.network import USUAL_IMAGE_SIZE_PX


def derived(arm: Arm) -> dict[str, Any]:
    """Returns by name what follows from the arm's settings.

    num_updates: Steps that change the weights. An epoch leaves out the tiles that fill no batch.
    num_tiles_read: Tiles that go into these.
    input_size_px: Side of the network's input.
    tiles_per_worker: Tiles of each worker in a step.
    peak_learning_rate: After linear scaling with the batch.
    augmentation: The random changes that are on.
    dtype: Of the activations.
    """
    config, source = arm.training.config, arm.source
    batch = config.global_batch_size
    num_updates = arm.num_updates or config.epochs * (source.num_tiles // batch)
    scale = batch / config.reference_batch_size if config.reference_batch_size else 1.0
    changes = {
        "flips and turns": config.augment,
        "zoom": config.zoom_range,
        "shear": config.shear_degrees,
        "brightness": config.brightness_range,
    }
    return {
        "num_updates": num_updates,
        "num_tiles_read": num_updates * batch,
        "input_size_px": config.image_size_px or min(USUAL_IMAGE_SIZE_PX, source.stored_size_px or source.tile_size_px),
        "tiles_per_worker": batch / arm.training.num_workers,
        "peak_learning_rate": config.learning_rate * scale,
        "num_epochs": math.ceil(num_updates * batch / source.num_tiles),
        "augmentation": tuple(f"{name} {value}" for name, value in changes.items() if value),
        "dtype": config.precision,
    }
