"""Starts the processes of one training attempt on this machine."""

import contextlib
import dataclasses
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from components.private_network import PrivateNetwork
from components.train.launch.local.process import WorkerProcess
from components.train.settings.roles import make_tf_config, task_name
from components.train.settings.worker_spec import WorkerSpec


@dataclasses.dataclass(frozen=True)
class ProcessGang:
    """The processes of one attempt, and what they need to start.

    Attributes:
      tasks: All processes, from roles.tasks.
      addresses: "<host>:<port>" of each process.
      spec_path: File with the WorkerSpec, the same for all.
      log_stem: Start of the paths of their logs.
      temporary: Folder for their temporary files.
      network: The network that they run in; None for this machine's.
    """

    tasks: Sequence[tuple[str, int]]
    addresses: Sequence[str]
    spec_path: Path
    log_stem: str
    temporary: Path
    network: PrivateNetwork | None = None

    @classmethod
    def prepare(
        cls,
        make_spec: Callable[[str], WorkerSpec],
        tasks: Sequence[tuple[str, int]],
        work_dir: Path,
        attempt: int,
        temporary: Path,
        network: PrivateNetwork | None,
    ) -> "ProcessGang":
        """Writes the processes' spec, but starts none of them."""
        *addresses, rendezvous = _free_addresses(len(tasks) + 1)
        spec_path = work_dir / f"attempt-{attempt}-spec.json"
        spec = make_spec(rendezvous if len(tasks) > 1 else "")
        msgspec.structs.replace(spec, nonce=secrets.token_hex()).write(spec_path)
        spec_path.chmod(0o600)  # anyone who knows the nonce can pass for a worker
        return cls(tasks, addresses, spec_path, str(work_dir / f"attempt-{attempt}"), temporary, network)

    def start(self) -> list[WorkerProcess]:
        """Starts all processes, or none."""
        workers: list[WorkerProcess] = []
        with contextlib.ExitStack() as undo:
            for place in range(len(self.tasks)):
                worker = self.spawn(place)
                undo.callback(worker.close)
                workers.append(worker)
            undo.pop_all()
        return workers

    def spawn(self, place: int, number: int = 0) -> WorkerProcess:
        """Starts one process; `number` counts its restarts."""
        job, index = self.tasks[place]
        overrides = {
            # A TF_CONFIG of an outer cluster is removed, or TensorFlow would look for peers there.
            "TF_CONFIG": make_tf_config(self.tasks, self.addresses, place) if len(self.tasks) > 1 else None,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.temporary),  # a killed worker cannot clean up its own files
        }
        log_path = Path(f"{self.log_stem}-{job}-{index}{f'-again-{number}' if number else ''}.log")
        heartbeat = self.temporary / f"heartbeat-{place}-{number}"
        return WorkerProcess(place, task_name(job, index), self.spec_path, overrides, log_path, heartbeat, self.network)


def _free_addresses(count: int) -> list[str]:
    """Returns addresses with free ports on the loopback interface; all are open at once, so all are different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in sockets]
    for server in sockets:
        server.close()
    return addresses
