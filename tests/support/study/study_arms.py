"""Two arms that differ in their format alone, and witnesses of them; tests plant an unfairness in one."""

import dataclasses

import msgspec

from components.contracts.study import Witness
from components.study.arms.arm import Arm, Parallelism, Placement, TileSource
from components.study.arms.arm_comparison import ArmComparison
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings

DATASET, OTHER, MACHINE = "d" * 64, "e" * 64, "f" * 64
CONFIG = TrainConfig(image_size_px=64, epochs=2, global_batch_size=32)
NUM_UPDATES = 2 * (480 // 32)

FOLDER = Arm(
    name="folder",
    source=TileSource(dataset=DATASET, num_tiles=480, layout="folder", reader="tf_data", num_files=480),
    training=TrainSettings(config=CONFIG, num_workers=1),
    place=Placement(machine=MACHINE, num_cores=2),
    parallelism=Parallelism(),
)
SHARDS = dataclasses.replace(
    FOLDER, name="shards", source=TileSource(dataset=DATASET, num_tiles=480, layout="shards", num_files=4)
)
WITNESS = Witness(
    dataset=DATASET,
    machine=MACHINE,
    order="1" * 64,
    batches="2" * 64,
    reads_same_pixels=True,
    initial_weights="3" * 64,
    num_updates=NUM_UPDATES,
    num_tiles_read=32 * NUM_UPDATES,
    input_shape=(64, 64, 4),
    input_dtype="uint8",
    losses=tuple((1 / (step + 1)).hex() for step in range(NUM_UPDATES)),
)


def formats(other=SHARDS, factor="format"):
    return ArmComparison(name="formats", factor=factor, arms=(FOLDER, other))


def with_config(arm, **values):
    config = dataclasses.replace(arm.training.config, **values)
    return dataclasses.replace(arm, training=dataclasses.replace(arm.training, config=config))


def with_part(arm, part, **values):
    return dataclasses.replace(arm, **{part: dataclasses.replace(getattr(arm, part), **values)})


def witnessed(**values):
    return msgspec.structs.replace(WITNESS, **values)
