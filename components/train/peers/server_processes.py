"""The processes that a chief directs: workers that compute gradients, and parameter servers that hold the weights.

Each keeps a connection to the chief while it serves. Through it, the chief learns that all processes are present, and
they learn when the chief is done or gone.
"""

import json
import signal
from collections.abc import Sequence

import tensorflow as tf

from components.train.peers.cluster import task_of
from components.train.peers.rendezvous import LostPeer, Meeting, joined, wait_for_release
from components.train.settings.worker_spec import WorkerSpec

_WAITING_THREADS = 4


def gather_servers(spec: WorkerSpec, names: Sequence[str]) -> Meeting:
    """Returns the chief's meeting with all processes of these names, such as "ps 0"; its release ends them.

    Raises:
      LostPeer: If some are missing after the time that the spec gives them; names them.
    """
    meeting = Meeting(spec.rendezvous, spec.nonce, names)
    try:
        meeting.wait(spec.peer_wait_seconds)
    except LostPeer as error:
        raise LostPeer(f"the chief gave up waiting after {spec.peer_wait_seconds:.0f} s: {error}") from error
    return meeting


def serve(spec: WorkerSpec, tf_config: str) -> None:
    """Works for the chief until the chief is done.

    Raises:
      LostPeer: If the chief does not come in time, or goes away before it is done.
    """
    # SIGTERM is for the chief, which writes a checkpoint; after that, this process ends too.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    job, index = task_of(tf_config)
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=spec.num_threads,
        # A step blocks one of these threads while others decode its tiles.
        inter_op_parallelism_threads=spec.num_threads + _WAITING_THREADS,
    )
    gpus = tf.config.list_physical_devices("GPU") if job == "worker" else []
    config.gpu_options.visible_device_list = str(index % len(gpus)) if gpus else ""
    config.gpu_options.allow_growth = True
    if not gpus:
        config.device_count["GPU"] = 0
    cluster = tf.train.ClusterSpec(json.loads(tf_config)["cluster"])
    server = tf.distribute.Server(cluster, job_name=job, task_index=index, protocol="grpc", config=config)
    me = f"{job} {index}"
    try:
        with joined(spec.rendezvous, spec.nonce, me, spec.peer_wait_seconds) as connection:
            is_done = wait_for_release(connection, spec.nonce, me)
    except LostPeer as error:
        raise LostPeer(f"{me} gave up waiting for the chief after {spec.peer_wait_seconds:.0f} s: {error}") from error
    del server
    if not is_done:
        raise LostPeer("the chief went away")
