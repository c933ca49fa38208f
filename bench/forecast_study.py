"""`python -m bench forecast`: forecasts local runs of varied size, runs them, and counts how many intervals cover.

What is forecast and measured is the two steps that take nearly all of a run's time and that its size decides: shard and
train. The sizes are drawn with a seed; the times are those of the machine. For each kind of training the machine is
measured once, as `agrivision forecast` does; after that, the trainings before it count as well.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from components.agrivision import PAPER_2020
from components.contracts import Manifest
from components.cost.prices import LAPTOP, read_prices
from components.cost.train_speed import Interval
from components.ingest.inventory import build_inventory
from components.merge.merge import merge_shards
from components.progress import StepLog
from components.shard.writer import shard_partition
from components.synth.dataset import write_dataset
from components.train.training import run_training
from pipeline.cost.forecast import earlier_trainings, forecast_run
from pipeline.cost.machine_speed import MachineSpeed, measure_machine
from pipeline.cost.source_size import tiles_by_split
from pipeline.parameters import Parameters

_SEED = 20
_TILE_PX = 64
_KINDS = (("small", 32), ("small", 64), ("mobilenet_v2", 32))  # backbone, and side of its input in pixels
_SHARE = 0.9  # of the intervals that should cover


@dataclasses.dataclass(frozen=True)
class ForecastRun:
    """One run.

    Attributes:
      forecast: Seconds of shard and train.
      measured: The same.
    """

    backbone: str
    image_size_px: int
    num_tiles: int
    epochs: int
    num_earlier: int
    forecast: Interval
    measured: float

    @property
    def is_covered(self) -> bool:
        """Whether the interval covers what was measured."""
        return self.forecast.low <= self.measured <= self.forecast.high


def measure(root: Path, number: int, speeds: dict[tuple[str, int], MachineSpeed], draw: random.Random) -> ForecastRun:
    """Forecasts one run, runs it, and returns both.

    Args:
      root: Where the tiles and the dataset are kept.
      number: Of the run.
      speeds: What was measured of each kind; one that is not there yet is added.
      draw: Draws the run's size.
    """
    backbone, pixels = kind = _KINDS[number % len(_KINDS)]
    num_tiles, epochs = draw.randint(80, 400), draw.randint(1, 6)
    source = root / f"tiles-{number}"
    parameters = Parameters(
        source_uri=str(source),
        data_root=str(root / "data"),
        models_uri=str(root / "models"),
        train_num_workers=1,
        train_backbone=backbone,
        train_image_size_px=pixels,
        train_epochs=epochs,
        train_global_batch_size=16,
        ingest_layout=PAPER_2020,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        write_dataset(
            source, layout=PAPER_2020, num_tiles=num_tiles, seed=number, tile_size_px=_TILE_PX, num_processes=1
        )
        if kind not in speeds:
            speeds[kind] = measure_machine(parameters, _TILE_PX)
        log = StepLog("bench")
        inventory = build_inventory(str(source), str(root / "data"), parameters.ingest, log)
        inventory.write(root / "inventory.json")
        earlier = earlier_trainings(parameters, LAPTOP, _TILE_PX)
        counted, _ = tiles_by_split(parameters.run.source_uri, parameters.ingest, StepLog("forecast"))
        made = forecast_run(parameters, counted, 0.1, speeds[kind], earlier, read_prices(), LAPTOP, 1)
        began = time.monotonic()
        receipts = []
        for index in range(len(inventory.partitions)):
            receipts.append(str(root / f"receipts-{index}.json"))
            shard_partition(str(root / "inventory.json"), f"{index}", str(root / "data"), receipts[-1], log)
        sharded = time.monotonic() - began
        manifest = root / "manifest.json"
        merge_shards(
            str(root / "inventory.json"), receipts, str(root / "data"), str(manifest), str(root / "report.html"), log
        )
        assert Manifest.read(manifest).num_tiles == sum(counted.values())
        began = time.monotonic()
        run_training(parameters.train, str(root / "data"), str(manifest), log)
        trained = time.monotonic() - began
    forecast = made.steps["shard"] + made.steps["train"]
    return ForecastRun(backbone, pixels, num_tiles, epochs, len(earlier), forecast, sharded + trained)


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each run, and how many were covered; returns 1 if too few were."""
    parser = argparse.ArgumentParser(prog="python -m bench forecast", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=12.0, help="start no run after so many minutes")
    parser.add_argument("--output", default="", metavar="FILE", help="write the runs as JSON, too")
    options = parser.parse_args(arguments)
    draw, speeds, began = random.Random(_SEED), {}, time.monotonic()
    runs: list[ForecastRun] = []
    print("backbone       px  tiles epochs earlier   forecast (s)              measured (s)")
    with tempfile.TemporaryDirectory(prefix="agrivision-bench-") as folder:
        for number in range(options.runs):
            if time.monotonic() - began > 60 * options.minutes:
                print(f"stopped after {options.minutes:g} minutes")
                break
            run = measure(Path(folder), number, speeds, draw)
            runs.append(run)
            interval = f"{run.forecast.middle:6.1f} ({run.forecast.low:.1f} to {run.forecast.high:.1f})"
            print(
                f"{run.backbone:<13} {run.image_size_px:>3} {run.num_tiles:>6} {run.epochs:>6} {run.num_earlier:>7}   "
                f"{interval:<25} {run.measured:6.1f}  {'covered' if run.is_covered else 'missed'}",
                flush=True,
            )
    covered = sum(run.is_covered for run in runs)
    print(f"{covered} of {len(runs)} intervals cover; {_SHARE:.0%} should; {time.monotonic() - began:.0f} s")
    if options.output:
        Path(options.output).write_text(json.dumps([dataclasses.asdict(run) for run in runs], indent=1) + "\n")
    return int(covered < _SHARE * len(runs))
