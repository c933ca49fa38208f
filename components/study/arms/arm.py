"""An arm: one way to train, with everything that could make a difference written down."""

import dataclasses
import re

from components.errors import SettingsError
from components.setting import check_settings, setting
from components.train.settings.node_pools import PROFILES
from components.train.settings.train_settings import TrainSettings

LAYOUTS = ("folder", "jpeg_records", "raw_records", "original_tfrecord", "shards")
READERS = ("agrivision", "keras_directory", "load_everything", "original", "python_generator", "tf_data")
PARALLELISMS = ("sequential", "averaged", "delayed", "hybrid")
_NAME = re.compile(r"[a-z0-9][a-z0-9_ .]{0,59}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TileSource:
    """What an arm reads, and with what.

    Attributes:
      dataset: A sha256 that names the tiles with their labels, the same for every layout of the same tiles.
    """

    dataset: str
    num_tiles: int = setting(..., "Tiles of the train split.", at_least=1)
    tile_size_px: int = setting(512, "Side of a tile of the source, in pixels.", at_least=1)
    layout: str = setting("shards", "How the tiles lie on the disk.", choices=LAYOUTS)
    reader: str = setting("agrivision", "What makes batches of them.", choices=READERS)
    num_files: int = setting(1, "Files that records lie in; a folder has one a tile.", at_least=1)
    stored_size_px: int = setting(0, "Side that tiles were made smaller to; 0 if they are stored whole.", at_least=0)
    num_threads: int = setting(1, "Threads that read and decode.", at_least=1)

    def __post_init__(self) -> None:
        check_settings(self, "source.")
        _check_digest("source.dataset", self.dataset)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parallelism:
    """How gradients of several workers become one update, simulated in one process or not."""

    kind: str = setting("sequential", "Way to update the weights.", choices=PARALLELISMS)
    delay: int = setting(0, "Steps by which a gradient is late.", at_least=0)
    num_averaged: int = setting(1, "Gradients that are averaged for an update.", at_least=1)

    def __post_init__(self) -> None:
        check_settings(self, "parallelism.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an arm runs, and within what limits.

    Attributes:
      machine: The sha256 of the machine's description; see components/study/results/machine.py.
    """

    machine: str
    device: str = setting("cpu", "Kind of device that takes the steps.", choices=("cpu", "gpu", "tpu"))
    profile: str = setting("cpu", "Node pool that its workers run on in a cluster.", choices=PROFILES)
    num_cores: int = setting(1, "Processor cores that it may use.", at_least=1)
    memory_limit_bytes: int = setting(0, "Limit of its memory; 0 for none.", at_least=0)
    uses_xla: bool = setting(False, "Whether XLA compiles the step.")

    def __post_init__(self) -> None:
        check_settings(self, "place.")
        _check_digest("place.machine", self.machine)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm of a comparison.

    Attributes:
      name: What results call it; the only thing that need not be equal, and the factor.
      training: Network, batch, optimizer, schedule, augmentation, seed, workers, strategy, as of any training.
      start_from: Names the initial weights if they are not drawn from the seed: a sha256, or empty.
    """

    name: str
    source: TileSource
    training: TrainSettings
    place: Placement
    parallelism: Parallelism = Parallelism()
    start_from: str = ""
    num_updates: int = setting(0, "Updates to stop after; 0 for as many as the epochs have.", at_least=0)

    def __post_init__(self) -> None:
        check_settings(self, "")
        if not _NAME.fullmatch(self.name):
            raise SettingsError(f"the name of an arm must be up to 60 of a-z, 0-9, _, . and spaces, got {self.name!r}")
        if self.start_from:
            _check_digest("start_from", self.start_from)
        if self.training.config.global_batch_size > self.source.num_tiles:
            raise SettingsError(
                f"the arm {self.name!r} needs a batch of at most its {self.source.num_tiles} tiles, got "
                f"{self.training.config.global_batch_size}"
            )


def _check_digest(name: str, value: str) -> None:
    if not _SHA256.fullmatch(value):
        raise SettingsError(f"{name} must be a sha256 in hexadecimal, got {value!r}")
