"""A process that trains networks for some steps, on processor cores alone, and answers with their tiles per second.

How long a step takes does not depend on what is on the tiles, so that they are drawn pixel by pixel, and are in memory:
the project's reader decodes tiles while steps are taken.
"""

import functools
import statistics
import sys
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.agrivision import BANDS
from components.measuring.stopped_process import answer_questions
from components.study.arms.arm import Arm, Placement, TileSource
from components.study.experiments.cost.timed_networks import TimedNetwork, networks_of
from components.study.experiments.learning.tiles import CLASSES, SplitTiles, TileSet
from components.study.experiments.learning.timed_arm import TimedTraining
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings

_NOT_ASKED = "0" * 64  # digests of tiles and machine, which only a comparison needs


def tiles_per_second(network: TimedNetwork, num_cores: int) -> float:
    """Returns the speed of the median step, with the project's own defaults for all but the network."""
    size, side = network.batch_size, network.image_size_px
    config = TrainConfig(
        backbone=network.backbone,
        image_size_px=side,
        global_batch_size=size,
        epochs=1,
        label_mode="single_label",
    )
    arm = Arm(
        name="timed",
        source=TileSource(dataset=_NOT_ASKED, num_tiles=size, tile_size_px=side, reader="load_everything"),
        training=TrainSettings(config=config, num_workers=1),
        place=Placement(machine=_NOT_ASKED, num_cores=num_cores),
    )
    training = TimedTraining(arm, _drawn_tiles(size, side))
    training.turn()  # compiles
    return size / statistics.median(training.turn() for _ in range(network.num_steps))


def _drawn_tiles(num_tiles: int, side: int) -> TileSet:
    rng = np.random.default_rng(1)
    train = SplitTiles(
        names=tuple(f"tile-{number}" for number in range(num_tiles)),
        image=rng.integers(0, 256, (num_tiles, side, side, len(BANDS)), np.uint8),
        cover=np.ones((num_tiles, side, side, 1), np.uint8),
        labels=np.eye(len(CLASSES), dtype=np.float32)[rng.integers(0, len(CLASSES), num_tiles)],
    )
    return TileSet({"train": train}, _NOT_ASKED, side, side)


def serve_speeds(arguments: Sequence[str]) -> None:
    """Answers for the networks of a preset, by name: arguments are the preset and the cores that training may use."""
    tf.config.set_visible_devices([], "GPU")  # the price is that of a node without one
    preset, num_cores = arguments[0], int(arguments[1])
    answer_questions({each.name: functools.partial(tiles_per_second, each, num_cores) for each in networks_of(preset)})


if __name__ == "__main__":
    serve_speeds(sys.argv[1:])
