"""The arms of the formats, and the comparisons that they are in."""

import dataclasses
from typing import Any

from components.contracts.study import Machine
from components.study.arms.arm import Arm, Placement, TileSource
from components.study.arms.arm_comparison import ArmComparison
from components.study.experiments.experiment import Preset
from components.study.experiments.prepared_tiles import SEED, PreparedTiles, num_bytes_under
from components.study.results.machine import machine_digest
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings

_BATCH_SIZE = 16
_FILE_BYTES = 10 << 20  # of a partitioned TFRecord, at least, as the original advises
ORIGINAL = {"layout": "original_tfrecord", "reader": "original"}
KERAS_FOLDER = {"layout": "folder", "reader": "keras_directory"}
JPEG_RECORDS = {"layout": "jpeg_records", "reader": "tf_data"}
SHARDS = {"layout": "shards", "reader": "agrivision"}


@dataclasses.dataclass(frozen=True)
class FormatArms:
    """Makes arms that are equal but for what they are told."""

    tiles: PreparedTiles
    preset: Preset
    machine: Machine
    image_size_px: int

    def arm(self, name: str, *, strategy: str = "one_device", device: str = "cpu", **source: Any) -> Arm:
        """Returns an arm; `source` has what it reads, and with what."""
        placed = self.tiles.tiles
        if source.get("layout") == "folder":
            source["num_files"] = len(placed)
        elif source.get("layout") == "shards":
            source["num_files"] = len(self.tiles.manifest.splits["train"].shards)
        config = TrainConfig(
            image_size_px=self.image_size_px,
            epochs=self.preset.epochs,
            global_batch_size=min(_BATCH_SIZE, len(placed)),
            label_mode="single_label",
            bands="rgb",
            augment=False,
            schedule="constant",
            warmup_fraction=0.0,
            seed=SEED,
        )
        cores = self.machine.num_cores
        return Arm(
            name=name,
            source=TileSource(
                dataset=self.tiles.sha256,
                num_tiles=len(placed),
                tile_size_px=self.preset.tile_size_px,
                num_threads=cores,
                **source,
            ),
            training=TrainSettings(config=config, num_workers=1, strategy=strategy),
            place=Placement(machine=machine_digest(self.machine), device=device, num_cores=cores),
        )

    @property
    def num_partitions(self) -> int:
        """Files of partitioned TFRecords: of 10 MB at least, but never one, which would be no partition."""
        return max(2, num_bytes_under(self.tiles.folder) // _FILE_BYTES)

    def as_the_original(self, name: str, **where: Any) -> ArmComparison:
        """The folder as Keras reads it, against TFRecord as the original read it; and our own input beside them."""
        arms = [("folder", KERAS_FOLDER), ("original", ORIGINAL)]
        if not where:
            arms.append(("shards", SHARDS))
        made = tuple(self.arm(arm, **source, **where) for arm, source in arms)
        return ArmComparison(name=name, factor="input", arms=made)

    def same_pixels(self) -> ArmComparison:
        """Single JPEGs against the same JPEGs in TFRecord, by one reader; and other ways to the same pixels."""
        arms = [self.arm("single_files", layout="folder", reader="tf_data"), self.arm("records", **JPEG_RECORDS)]
        if self.preset.name != "ci":
            arms.append(self.arm("generator", layout="folder", reader="python_generator"))
            arms.append(self.arm("shards", **SHARDS))
        return ArmComparison(name="same_pixels", factor="format", arms=tuple(arms))

    def partitions(self) -> ArmComparison:
        """One TFRecord file against several."""
        several = self.arm("partitioned", **JPEG_RECORDS, num_files=self.num_partitions)
        return ArmComparison(
            name="partitions", factor="num_files", arms=(self.arm("one_file", **JPEG_RECORDS), several)
        )

    def compression(self) -> ArmComparison:
        """Records of raw pixels against records of JPEGs."""
        raw = self.arm("raw", layout="raw_records", reader="tf_data")
        return ArmComparison(name="compression", factor="compression", arms=(raw, self.arm("jpeg", **JPEG_RECORDS)))

    def strategy(self) -> ArmComparison:
        """MirroredStrategy on one device against no strategy."""
        mirrored = self.arm("mirrored", strategy="mirrored", **SHARDS)
        return ArmComparison(name="strategy", factor="strategy", arms=(mirrored, self.arm("no_strategy", **SHARDS)))

    def devices(self) -> ArmComparison:
        """The same training on a CPU and on a GPU."""
        cpu, gpu = (self.arm(device, device=device, **SHARDS) for device in ("cpu", "gpu"))
        return ArmComparison(name="devices", factor="device", arms=(cpu, gpu))
