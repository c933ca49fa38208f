"""The processes of one attempt to train on this machine: how each of them is started."""

import contextlib
import dataclasses
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from components.train.launch.local.process import WorkerProcess
from components.train.settings.roles import make_tf_config, task_name
from components.train.settings.worker_spec import WorkerSpec


@dataclasses.dataclass(frozen=True)
class ProcessGang:
    """What the processes of one attempt are, and what they are told.

    Attributes:
      tasks: From strategies.tasks.
      addresses: "<host>:<port>" of each.
      spec_path: What all of them are told.
      log_stem: How the paths of their logs begin.
      temporary: Folder for their temporary files.
    """

    tasks: Sequence[tuple[str, int]]
    addresses: Sequence[str]
    spec_path: Path
    log_stem: str
    temporary: Path

    @classmethod
    def prepare(
        cls,
        make_spec: Callable[[str], WorkerSpec],
        tasks: Sequence[tuple[str, int]],
        work_dir: Path,
        attempt: int,
        temporary: Path,
    ) -> "ProcessGang":
        """Writes what the processes are told; starts none."""
        *addresses, rendezvous = _free_addresses(len(tasks) + 1)
        spec_path = work_dir / f"attempt-{attempt}-spec.json"
        make_spec(rendezvous if len(tasks) > 1 else "").write(spec_path)
        return cls(tasks, addresses, spec_path, str(work_dir / f"attempt-{attempt}"), temporary)

    def start(self) -> list[WorkerProcess]:
        """Starts all, or none."""
        workers: list[WorkerProcess] = []
        with contextlib.ExitStack() as undo:
            for place in range(len(self.tasks)):
                worker = self.spawn(place)
                undo.callback(worker.close)
                workers.append(worker)
            undo.pop_all()
        return workers

    def spawn(self, place: int, number: int = 0) -> WorkerProcess:
        """Starts one, for the `number`th time if it is not the first."""
        job, index = self.tasks[place]
        overrides = {
            # None of an outer cluster's either: TensorFlow would look for its peers.
            "TF_CONFIG": make_tf_config(self.tasks, self.addresses, place) if len(self.tasks) > 1 else None,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.temporary),  # a worker that is killed cannot clear up after itself
        }
        log_path = Path(f"{self.log_stem}-{job}-{index}{f'-again-{number}' if number else ''}.log")
        heartbeat = self.temporary / f"heartbeat-{place}-{number}"
        return WorkerProcess(place, task_name(job, index), self.spec_path, overrides, log_path, heartbeat)


def _free_addresses(count: int) -> list[str]:
    """Returns free ports of the loopback interface; all held at once, so that none is returned twice."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in sockets]
    for server in sockets:
        server.close()
    return addresses
