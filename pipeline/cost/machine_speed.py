"""Measures how fast this machine is, in less than a minute if it is idle: the run's own steps on a few drawn tiles.

Drawn tiles take as long as photographed ones of their size to check, to store and to train on. The training is the one
that is configured, with its backbone, its input size and as many workers, but of a few epochs and a few steps each.
"""

import contextlib
import dataclasses
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from components import environment
from components.agrivision import PAPER_2020
from components.contracts import Manifest, TrainingReceipt
from components.cost.train_speed import TrainSize
from components.errors import AgrivisionError
from components.progress import StepLog
from components.train.charges import train_size
from pipeline.parameters import Parameters

_TILES = 48  # of which 70 % or so are train tiles
_MOST_TILES = 192
_MOST_TILE_PX = 512
_EPOCHS = 2  # the first one compiles, the second is like all others
_MOST_TRAIN_SECONDS = 60  # a busy machine may take as long to compile a step


@dataclasses.dataclass(frozen=True)
class MachineSpeed:
    """What was measured.

    Attributes:
      import_seconds: For a process to import TensorFlow, as each step does that asks a model.
      ingest_seconds, merge_seconds: Of these steps, for a few tiles.
      shard_tile_seconds: To check and store a tile, with all processors.
      training: Receipt and size of the short training.
    """

    import_seconds: float
    ingest_seconds: float
    merge_seconds: float
    shard_tile_seconds: float
    training: tuple[TrainingReceipt, TrainSize]


def measure_machine(parameters: Parameters, tile_px: int) -> MachineSpeed:
    """Returns how fast this machine is at what a run does.

    Args:
      parameters: Of the run.
      tile_px: Side of the source's tiles, pixels.

    Raises:
      AgrivisionError: if the configured training cannot even start with a few tiles.
    """
    from components.ingest.inventory import build_inventory
    from components.merge.merge import merge_shards
    from components.shard.writer import shard_partition
    from components.synth.dataset import MIN_TILE_SIZE_PX, write_dataset
    from components.train.training import run_training

    import_seconds = _import_seconds()
    config = parameters.train.config
    num_tiles = max(_TILES, min(_MOST_TILES, 3 * config.global_batch_size))
    # A batch that is larger than that is a multiple of a smaller one, which it takes that many times as long as.
    batch = min(config.global_batch_size, num_tiles // 3)
    batch -= batch % parameters.train.num_workers
    trained = dataclasses.replace(
        config, epochs=_EPOCHS, global_batch_size=max(batch, parameters.train.num_workers), early_stopping_patience=0
    )
    pixels = max(MIN_TILE_SIZE_PX, min(tile_px, _MOST_TILE_PX))
    with tempfile.TemporaryDirectory(prefix="agrivision-forecast-") as folder, _quietly():
        root, log = Path(folder), StepLog("forecast")
        write_dataset(
            root / "tiles", layout=PAPER_2020, num_tiles=num_tiles, seed=0, tile_size_px=pixels, num_processes=1
        )
        drawn = time.monotonic()
        ingest = dataclasses.replace(parameters.ingest, layout=PAPER_2020, classes="", num_partitions=1)
        inventory = build_inventory(str(root / "tiles"), str(root / "data"), ingest, log)
        inventory.write(root / "inventory.json")
        ingested = time.monotonic()
        shard_partition(str(root / "inventory.json"), "0", str(root / "data"), str(root / "receipts.json"), log)
        sharded = time.monotonic()
        merge_shards(
            str(root / "inventory.json"),
            [str(root / "receipts.json")],
            str(root / "data"),
            str(root / "manifest.json"),
            str(root / "report.html"),
            log,
        )
        merged = time.monotonic()
        settings = dataclasses.replace(
            parameters.train, config=trained, max_seconds=_MOST_TRAIN_SECONDS, max_cost=0.0, max_restarts=0
        )
        receipt = run_training(settings, str(root / "data"), str(root / "manifest.json"), log)
        size = train_size(trained, Manifest.read(root / "manifest.json"))
    return MachineSpeed(
        import_seconds=import_seconds,
        ingest_seconds=ingested - drawn,
        merge_seconds=merged - sharded,
        shard_tile_seconds=(sharded - ingested) / num_tiles,
        training=(receipt, size),
    )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keeps the log of the short run from the terminal, unless it fails."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    except AgrivisionError:
        print(said.getvalue(), file=sys.stderr, end="")
        raise


def _import_seconds() -> float:
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import tensorflow"],
        env=environment.child_environment({}),
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return time.monotonic() - began
