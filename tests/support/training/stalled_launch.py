"""A launch of a training whose workers are pretended: `python stalled_launch.py DATA_ROOT MANIFEST NUMBER GO LEASE`.

It holds the training, writes what workers write, says "training", and ends it once the file GO exists, without a look
at the lease, as a process does that was stopped just then. NUMBER is what its receipt has as the number of restarts.
LEASE is "bucket", or "folder" for a lease as on a bucket in a local folder; either has two seconds.
"""

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from components import storage
from components.contracts import EpochMetrics
from components.errors import AgrivisionError
from components.progress import StepLog
from components.train import training
from components.train.launch import bucket_lease, lease, one_at_a_time
from components.train.launch.launch_dir import LaunchDir
from components.train.launch.usage import Usage
from components.train.settings.config import TrainConfig
from components.train.settings.devices import Devices
from components.train.settings.train_settings import TrainSettings
from components.train.settings.worker_spec import ENDED_WITH_EPOCHS, TrainingOutcome, WorkerSpec

LEASE_SECONDS = 2.0
EPOCH = EpochMetrics(
    epoch=0, train_loss=1.0, val_loss=1.0, val_macro_f1=0.5, learning_rate=0.1, seconds=1.0, tiles_per_second=1.0
)
OUTCOME = TrainingOutcome(num_parameters=1, ended_by=ENDED_WITH_EPOCHS, best_epoch=0, history=(EPOCH,))


class PretendedWorkers:
    """A launcher; see training.Launcher."""

    devices = Devices(num_gpus=0, has_tpu=False)
    whereabouts = lease.Nowhere()
    num_threads = 1
    image = ""
    profile = "laptop"

    def __init__(self, number: int, go: Path) -> None:
        self._number, self._go = number, go

    def exposure(self, data_root: str) -> str:
        return ""

    def num_nodes(self, settings: TrainSettings) -> int:
        return 1

    def launch(
        self,
        spec: WorkerSpec,
        directory: LaunchDir,
        log: StepLog,
        check: Callable[[], float],
        usage: Usage | None = None,
    ) -> int:
        folder = storage.join(spec.data_root, "training", spec.training_id)
        storage.write_once(storage.join(folder, "export/saved_model.pb"), b"a graph")
        storage.write_bytes(storage.join(folder, "outcome.json"), OUTCOME.to_json())
        print("training", flush=True)
        while not self._go.exists():
            time.sleep(0.05)
        return self._number


def main(data_root: str, manifest_path: str, number: str, go: str, kind: str) -> None:
    """Trains; ends as a step does."""

    def hold(
        folder: str, say: Callable[[str], None], whereabouts: lease.Whereabouts
    ) -> contextlib.AbstractContextManager[lease.Lease]:
        if kind == "bucket":
            return one_at_a_time.hold(folder, say, LEASE_SECONDS)
        uri = storage.join(folder, one_at_a_time.LEASE)

        def say_who(holder: str) -> None:
            say(f"{holder} is already running this training; waiting for it to end")

        return bucket_lease.leased(uri, f"launch {number}", say, say_who, LEASE_SECONDS, whereabouts)

    training.hold = hold  # type: ignore[assignment,attr-defined]
    settings = TrainSettings(config=TrainConfig(image_size_px=32, global_batch_size=8, epochs=1), num_workers=1)
    workers = PretendedWorkers(int(number), Path(go))
    try:
        receipt = training.train_once(settings, data_root, manifest_path, workers, StepLog("train"))
    except AgrivisionError as error:
        print(f"error: {error}", flush=True)
        sys.exit(error.exit_code)
    print(f"receipt {receipt.num_restarts}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
