"""Runs a small training in its own process and reports how it ends. Needs Linux, whose /proc lists the workers."""

import dataclasses
import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from components.agrivision import PAPER_2020
from components.contracts import Inventory
from components.ingest.inventory import build_inventory
from components.ingest.settings import IngestSettings
from components.merge.merge import merge_shards
from components.progress import StepLog
from components.shard.writer import shard_partition
from components.synth.dataset import write_dataset
from components.train.checkpoint import checkpoints
from components.train.settings.config import TrainConfig
from components.train.settings.train_settings import TrainSettings

_POLL_SECONDS = 0.02
_GIVE_UP_SECONDS = 600.0
_PROCESS = re.compile(rb"components\.train\x00.*heartbeat-(\d+)-", re.DOTALL)
TUNING = {
    "image_size_px": 32,
    "global_batch_size": 8,
    "steps_per_call": 2,
    "learning_rate": 1e-3,
    "zoom_range": 0.1,
    "ema_decay": 0.5,
}


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a training ended.

    Attributes:
      exit_code: The launcher's.
      attempts: The exit codes of the processes of each failed attempt.
      num_restarts: Restarts of all processes or only a lost one, as the launcher counts them.
      seconds: Since the first process's start.
      num_steps: Steps of the last checkpoint.
      weights: Digest of the exported weights; empty if there are none.
    """

    exit_code: int
    attempts: list[list[int]]
    num_restarts: int
    seconds: float
    num_steps: int
    weights: str


def make_dataset(root: Path, num_tiles: int) -> None:
    """Makes synthetic tiles and their shards under `root`, unless they exist."""
    if (root / "manifest.json").exists():
        return
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "tiles").exists():
        write_dataset(root / "tiles", layout=PAPER_2020, num_tiles=num_tiles, seed=0, tile_size_px=64, num_processes=1)
    inventory = str(root / "inventory.json")
    settings = IngestSettings(num_partitions=1, num_workers=4)
    build_inventory(str(root / "tiles"), str(root), settings, StepLog("ingest")).write(inventory)
    receipts = []
    for partition in Inventory.read(inventory).partitions:
        receipts.append(str(root / f"receipts-{partition.index}.json"))
        shard_partition(inventory, str(partition.index), str(root), receipts[-1], StepLog("shard"))
    merge_shards(
        inventory, receipts, str(root), str(root / "manifest.json"), str(root / "report.html"), StepLog("merge")
    )


class Training:
    """A running training."""

    def __init__(
        self, dataset: Path, root: Path, strategy: str, num_workers: int, epochs: int, max_restarts: int
    ) -> None:
        """Starts the training.

        Args:
          dataset: from make_dataset.
          root: a new folder, for this training only.
        """
        root.mkdir(parents=True)
        (root / "shards").symlink_to((dataset / "shards").resolve())
        settings = TrainSettings(
            config=TrainConfig(**TUNING, epochs=epochs),
            num_workers=num_workers,
            max_restarts=max_restarts,
            checkpoint_seconds=1,
            strategy=strategy,
        )
        command = [sys.executable, "-m", "faults.launch", str(root), str(dataset / "manifest.json")]
        self._root = root
        with open(root / "output.log", "w") as output:
            self._process = subprocess.Popen(
                [*command, msgspec.json.encode(settings).decode()], stdout=output, stderr=subprocess.STDOUT
            )
        while not self.processes() and self._process.poll() is None:
            time.sleep(_POLL_SECONDS)
        self._started = time.monotonic()

    def processes(self) -> dict[int, int]:
        """Returns the ids of the training's running processes, by their place in roles.tasks."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self._process.pid and (match := _PROCESS.search((path / "cmdline").read_bytes())):
                    found[int(match[1])] = int(path.name)
            except OSError:  # it has just ended
                continue
        return found

    def seconds(self) -> float:
        """Returns the time since the first process's start."""
        return time.monotonic() - self._started

    def wait_until(self, seconds: float) -> None:
        """Waits until `seconds` after the first process's start, or until the training ends."""
        while self.seconds() < seconds and self._process.poll() is None:
            time.sleep(_POLL_SECONDS)

    def wait_for_end_of(self, processes: set[int]) -> float:
        """Waits until none of these processes is running; returns the wait in seconds."""
        started = time.monotonic()
        while processes & set(self.processes().values()) and time.monotonic() - started < _GIVE_UP_SECONDS:
            time.sleep(10 * _POLL_SECONDS)
        return time.monotonic() - started

    def end(self) -> Ending:
        """Waits for the training to end and returns how it ended."""
        try:
            exit_code = self._process.wait(_GIVE_UP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            exit_code = -signal.SIGKILL
        seconds = self.seconds()
        logs = sorted((self._root / "training").glob("*/logs/launch-*/attempt-*-ended.json"))
        ended = [json.loads(path.read_text()) for path in logs]
        weights = list((self._root / "training").glob("*/export/variables/variables.data-*"))
        said = (self._root / "output.log").read_text().splitlines()
        return Ending(
            exit_code=exit_code,
            attempts=[each["exit_codes"] for each in ended],
            num_restarts=json.loads(said[-1])["num_restarts"] if exit_code == 0 else len(ended),
            seconds=seconds,
            num_steps=self._num_steps(),
            weights=hashlib.sha256(weights[0].read_bytes()).hexdigest() if weights else "",
        )

    def _num_steps(self) -> int:
        for root in (self._root / "training").glob("*/checkpoints"):
            if names := checkpoints.names_under(str(root)):
                return checkpoints.read_checkpoint(str(root), names[-1])[0].global_step
        return 0

    def kill(self) -> None:
        """Kills the launcher, whose processes end with it; does nothing if it has ended."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
