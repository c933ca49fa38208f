"""One training of the experiment: by so many workers, each with a core of its own where there are enough."""

import concurrent.futures
import contextlib
import dataclasses
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.agrivision import CLASS_FOLDERS
from components.contracts import Manifest
from components.ingest.settings import IngestSettings
from components.progress import StepLog
from components.study.experiments.sharded_tiles import MANIFEST, shard_tiles
from components.synth.dataset import write_dataset
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings
from components.train.training import run_training

_SEED = 20_200_615
_MOST_WORKERS = 4  # each needs a shard


@dataclasses.dataclass(frozen=True)
class TrainedOnce:
    """What a training took.

    Attributes:
      epoch_seconds: Of training in the epoch in the middle, without validation and compiling.
      step_seconds: Of a step in each epoch, on average.
      reduce_seconds: Of adding up the gradients once; 0 for a single worker.
      reduce_latency_seconds: Of one of several exchanges of a single number; 0 for a single worker.
      reduces_per_step: How often workers add up something in a step.
      gradient_bytes: That they add up in it.
    """

    epoch_seconds: float
    step_seconds: tuple[float, ...]
    reduce_seconds: float
    gradient_bytes: float
    reduce_latency_seconds: float = 0.0
    reduces_per_step: int = 1


def scale_settings(num_workers: int, batch: int, epochs: int) -> TrainSettings:
    """Returns the settings of a training; the batch is that of all workers together."""
    return TrainSettings(
        config=TrainConfig(backbone="small", global_batch_size=batch, epochs=epochs), num_workers=num_workers
    )


def prepare_dataset(folder: Path, num_tiles: int, tile_size_px: int) -> Path:
    """Returns a folder with a generated dataset and its manifest; makes it if it is not there."""
    ready = folder / f"data-{num_tiles}-{tile_size_px}"
    if ready.exists():
        return ready
    with tempfile.TemporaryDirectory(prefix=".data-", dir=folder) as name, _quiet(folder):
        made, source = Path(name) / "data", Path(name) / "source"
        write_dataset(
            source,
            layout=CLASS_FOLDERS,
            num_tiles=num_tiles,
            seed=_SEED,
            tile_size_px=tile_size_px,
            num_processes=1,
        )
        made.mkdir()
        shard_tiles(source, made, IngestSettings(num_workers=_MOST_WORKERS, num_partitions=1))
        made.rename(ready)
    return ready


def train_once_on(data: Path, settings: TrainSettings, num_cores: int) -> TrainedOnce:
    """Trains in a new folder, so that nothing is reused, on the first `num_cores` cores of this process.

    Raises:
      SettingsError, DataError: as any training does.
    """
    with _quiet(data.parent):
        return _train(data, settings, range(num_cores))


def train_side_by_side(data: Path, settings: TrainSettings, number: int) -> list[TrainedOnce]:
    """Trains `number` times at once, each by one worker that knows nothing of the others.

    They share what workers of one machine share, which is more than cores that are too few: caches, memory, and the
    halves of a core that the system shows as two. Each has a core, as long as there are enough.

    Raises:
      SettingsError, DataError: as any training does.
    """
    cores = len(os.sched_getaffinity(0))
    with _quiet(data.parent), concurrent.futures.ThreadPoolExecutor(number) as pool:
        started = [pool.submit(_train, data, settings, [place % cores]) for place in range(number)]
        return [each.result() for each in started]


def _train(data: Path, settings: TrainSettings, cores: Sequence[int]) -> TrainedOnce:
    with tempfile.TemporaryDirectory(prefix=".turn-", dir=data.parent) as name, _on_cores(cores):
        root = Path(name) / "data"
        shutil.copytree(data, root, copy_function=os.link)
        receipt = run_training(settings, str(root), str(root / MANIFEST), StepLog("train"))
    batch = settings.config.global_batch_size
    steps = tuple(batch / epoch.tiles_per_second for epoch in receipt.history)
    return TrainedOnce(
        epoch_seconds=statistics.median(steps) * steps_of_epoch(receipt.num_train_tiles, batch),
        step_seconds=steps,
        reduce_seconds=receipt.reduce_seconds,
        gradient_bytes=4.0 * receipt.num_parameters,
        reduce_latency_seconds=receipt.reduce_latency_seconds,
        reduces_per_step=receipt.reduces_per_step,
    )


def steps_of_epoch(num_tiles: int, batch: int) -> int:
    """Returns how many steps an epoch has; the tiles that are left are too few for one, and come in another epoch."""
    return max(1, num_tiles // batch)


def num_train_tiles(data: Path) -> int:
    """Returns the tiles of an epoch."""
    return Manifest.read(data / MANIFEST).splits["train"].num_tiles


def dataset_sha256(data: Path) -> str:
    """Names the tiles."""
    return Manifest.read(data / MANIFEST).sha256


@contextlib.contextmanager
def _on_cores(cores: Sequence[int]) -> Iterator[None]:
    """Has this thread, and the processes that it starts, use some of its cores only, by their place among them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[place] for place in cores})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Sends the many lines of steps to a file."""
    with (folder / "steps.log").open("a") as file, contextlib.redirect_stdout(file):
        yield
