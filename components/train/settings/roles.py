"""The processes of a training: their roles, their names in messages, and the TF_CONFIG of each."""

import json
from collections.abc import Sequence

from components.train.settings.strategies import PARAMETER_SERVER

CHIEF = "chief"  # directs the other processes
_WORKERS_PER_PARAMETER_SERVER = 4


def tasks(name: str, num_workers: int) -> list[tuple[str, int]]:
    """Returns the processes of a training, as type and number in TF_CONFIG; the first one validates and exports.

    With parameter servers, one for every four workers, the first process is a chief in addition to the workers.
    """
    workers = [("worker", number) for number in range(num_workers)]
    if name != PARAMETER_SERVER:
        return workers
    num_servers = -(-num_workers // _WORKERS_PER_PARAMETER_SERVER)
    return [(CHIEF, 0), *workers, *[("ps", number) for number in range(num_servers)]]


def task_name(job: str, index: int) -> str:
    """Returns the name that messages use for a process of `tasks`."""
    return CHIEF if job == CHIEF else f"{'parameter server' if job == 'ps' else job} {index}"


def make_tf_config(gang: Sequence[tuple[str, int]], addresses: Sequence[str], place: int) -> str:
    """Returns the TF_CONFIG of one process: all processes of the training, and which of them this one is.

    Args:
      gang: All processes, from `tasks`.
      addresses: "<host>:<port>" of each process.
      place: Index of this process in `gang`.
    """
    job, index = gang[place]
    cluster: dict[str, list[str]] = {}
    for (kind, _), address in zip(gang, addresses, strict=True):
        cluster.setdefault(kind, []).append(address)
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})
