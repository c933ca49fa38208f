"""Tells a worker which process of the training it is, where its peers are, and to reach them without a web proxy.

Imports no TensorFlow.
"""

import itertools
import json
import socket
import time
from collections.abc import Sequence

import msgspec

from components import environment
from components.errors import EXIT_TRY_AGAIN, AgrivisionError
from components.train.settings.roles import make_tf_config, tasks
from components.train.settings.worker_spec import WorkerSpec

_POLL_SECONDS = 0.5


class NoSuchPeer(AgrivisionError):
    """A peer's host name could not be resolved in time."""

    exit_code = EXIT_TRY_AGAIN


def take_place(spec: WorkerSpec) -> WorkerSpec:
    """Returns the spec for this pod of a Job, and sets TF_CONFIG; outside a Job, returns the spec unchanged.

    Raises:
      NoSuchPeer: If a peer's host name cannot be resolved in time.
    """
    if spec.addresses:
        spec = _take_place_in_job(spec)
    environment.reach_directly(_hosts_of(environment.tf_config()))
    return spec


def _hosts_of(tf_config: str) -> list[str]:
    cluster = json.loads(tf_config)["cluster"] if tf_config else {}
    return [address.rpartition(":")[0] for address in itertools.chain.from_iterable(cluster.values())]


def _take_place_in_job(spec: WorkerSpec) -> WorkerSpec:
    place = environment.job_completion_index()
    # After one failed lookup, TensorFlow does not retry the name for a while.
    _wait_for_names(spec.addresses, spec.peer_wait_seconds)
    gang = tasks(spec.settings.strategy, spec.settings.num_workers)
    environment.set_tf_config(make_tf_config(gang, spec.addresses, place))
    if place > 0:
        return spec
    # Peers find worker 0 by its name; it listens on all of its own addresses.
    return msgspec.structs.replace(spec, rendezvous=f"0.0.0.0:{spec.rendezvous.rpartition(':')[2]}")


def _wait_for_names(addresses: Sequence[str], wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    for address in addresses:
        host = address.rpartition(":")[0]
        while True:
            try:
                socket.getaddrinfo(host, None)
                break
            except socket.gaierror as error:
                if time.monotonic() > deadline:
                    raise NoSuchPeer(
                        f"waited {wait_seconds:.0f} s, but the name {host} does not resolve: {error}"
                    ) from error
            time.sleep(_POLL_SECONDS)
