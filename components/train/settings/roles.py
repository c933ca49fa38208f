"""The processes of a training: which there are, what messages call each, and the TF_CONFIG of each."""

import json
from collections.abc import Sequence

from components.train.settings.strategies import PARAMETER_SERVER

CHIEF = "chief"  # the one of them that directs the others
_WORKERS_PER_PARAMETER_SERVER = 4


def tasks(name: str, num_workers: int) -> list[tuple[str, int]]:
    """Returns the processes of a training, as type and number in TF_CONFIG; the first one validates and exports.

    With parameter servers, of which there is one for every four workers, it is a chief beside the workers.
    """
    workers = [("worker", number) for number in range(num_workers)]
    if name != PARAMETER_SERVER:
        return workers
    num_servers = -(-num_workers // _WORKERS_PER_PARAMETER_SERVER)
    return [(CHIEF, 0), *workers, *[("ps", number) for number in range(num_servers)]]


def task_name(job: str, index: int) -> str:
    """Returns what messages call a process of `tasks`."""
    return CHIEF if job == CHIEF else f"{'parameter server' if job == 'ps' else job} {index}"


def make_tf_config(gang: Sequence[tuple[str, int]], addresses: Sequence[str], place: int) -> str:
    """Returns the TF_CONFIG of one process: who there is, and which of them it is.

    Args:
      gang: From strategies.tasks.
      addresses: "<host>:<port>" of each.
    """
    job, index = gang[place]
    cluster: dict[str, list[str]] = {}
    for (kind, _), address in zip(gang, addresses, strict=True):
        cluster.setdefault(kind, []).append(address)
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})
