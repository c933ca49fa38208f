"""Which of a training's processes this one is, and where the others are. Imports no TensorFlow."""

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
    """A peer's name never came to be known."""

    exit_code = EXIT_TRY_AGAIN


def take_place(spec: WorkerSpec) -> WorkerSpec:
    """Returns the spec as it is for this pod of a Job, and sets its TF_CONFIG; elsewhere, the spec as it is.

    Raises:
      NoSuchPeer: if the names of the others are not known in time.
    """
    if not spec.addresses:
        return spec
    place = environment.job_completion_index()
    # TensorFlow gives up for a while on a name that is not known yet.
    _wait_for_names(spec.addresses, spec.peer_wait_seconds)
    gang = tasks(spec.settings.strategy, spec.settings.num_workers)
    environment.set_tf_config(make_tf_config(gang, spec.addresses, place))
    if place > 0:
        return spec
    # The others find it by its name; it need not know under which of its addresses.
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
                    raise NoSuchPeer(f"waited {wait_seconds:.0f} s in vain for the name {host}: {error}") from error
            time.sleep(_POLL_SECONDS)
