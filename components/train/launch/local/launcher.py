"""The train step on one machine, with one process per worker."""

import contextlib
import os
from collections.abc import Callable

import msgspec

from components import environment, storage
from components.cost.prices import LAPTOP
from components.private_network import NoPrivateNetwork, private_network
from components.progress import StepLog
from components.train.launch.launch_dir import LaunchDir
from components.train.launch.lease import Nowhere
from components.train.launch.local.gang import run_gang
from components.train.launch.usage import Usage
from components.train.settings.devices import find_devices
from components.train.settings.train_settings import TrainSettings
from components.train.settings.worker_spec import WorkerSpec


class LocalProcesses:
    """Runs workers as processes on this machine; see training.Launcher."""

    whereabouts = Nowhere()
    image = ""
    profile = LAPTOP

    def __init__(self, num_workers: int) -> None:
        self.devices = find_devices()
        self.num_threads = _num_threads(num_workers)

    def num_nodes(self, settings: TrainSettings) -> int:
        """See training.Launcher; all processes share this machine."""
        return 1

    def launch(
        self,
        spec: WorkerSpec,
        directory: LaunchDir,
        log: StepLog,
        check: Callable[[], float],
        usage: Usage | None = None,
    ) -> int:
        """See training.Launcher."""
        used = usage or Usage()

        def make_spec(rendezvous: str) -> WorkerSpec:
            return msgspec.structs.replace(
                spec, rendezvous=rendezvous, follows_launcher=True, spent_seconds=used.pods.paid
            )

        with contextlib.ExitStack() as stack:
            network = None
            if spec.settings.num_workers > 1 and not environment.trusts_network():
                network = stack.enter_context(private_network())
            return run_gang(make_spec, spec.settings, directory.path, log, check, network, used)

    def exposure(self, data_root: str) -> str:
        """See training.Launcher."""
        if environment.trusts_network():
            return ""
        if storage.is_remote(data_root):
            return "workers that read a bucket need the network of this machine"
        try:
            with private_network():
                return ""
        except NoPrivateNetwork as error:
            return f"this system gives them no network of their own ({error})"


def _num_threads(num_workers: int) -> int:
    """Returns each worker's share of the CPU cores."""
    # Counts the cores that this process may use, or all cores where the system cannot tell (macOS).
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, num_cores // max(num_workers, 1))
