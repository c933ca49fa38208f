"""The processes that a chief directs: workers that compute gradients, and parameter servers that hold the weights.

Each keeps a connection to the chief while it serves. Through it, the chief learns that all processes are present, and
they learn when the chief is done or gone.
"""

import contextlib
import json
import signal
import socket
import threading
import time

import tensorflow as tf

from components.train.peers.cluster import LostPeer, task_of
from components.train.settings.worker_spec import WorkerSpec

_DONE = b"done"
_BACKLOG = 64
_WAITING_THREADS = 4
_HELLO_SECONDS = 10.0  # for a connected process to send its name


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
    with _connected(spec.rendezvous, f"{job} {index}", spec.peer_wait_seconds) as connection:
        try:
            answer = connection.recv(len(_DONE))
        except OSError:
            answer = b""
    del server
    if answer != _DONE:
        raise LostPeer("the chief went away")


def _connected(rendezvous: str, name: str, wait_seconds: float) -> socket.socket:
    host, _, port = rendezvous.rpartition(":")
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            connection = socket.create_connection((host, int(port)), timeout=max(deadline - time.monotonic(), 0.001))
            connection.sendall(name.encode() + b"\n")
            connection.settimeout(None)
            return connection
        except OSError as error:
            # The chief does not listen yet, or, on a cluster, has no DNS name yet.
            if time.monotonic() > deadline:
                raise LostPeer(f"{name} gave up waiting for the chief after {wait_seconds:.0f} s: {error}") from error
            time.sleep(0.2)


class Roll:
    """The chief's list of the processes that serve it."""

    def __init__(self, rendezvous: str) -> None:
        """Listens at "<host>:<port>"."""
        host, _, port = rendezvous.rpartition(":")
        self._listener = socket.create_server((host, int(port)), backlog=_BACKLOG)
        self._present: dict[str, socket.socket] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, name="roll", daemon=True).start()

    def wait_for(self, names: list[str], wait_seconds: float) -> None:
        """Waits until all processes with these names, such as "ps 0", are present.

        Raises:
          LostPeer: If some are missing after `wait_seconds`; names them.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: set(names) <= set(self._present), wait_seconds):
                missing = ", ".join(name for name in names if name not in self._present)
                raise LostPeer(f"the chief gave up waiting after {wait_seconds:.0f} s: {missing} never came")

    def dismiss(self) -> None:
        """Tells all processes that the work is done."""
        with self._changed:
            for connection in self._present.values():
                with contextlib.suppress(OSError):  # the process is already gone
                    connection.sendall(_DONE)
                connection.close()

    def _listen(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.settimeout(_HELLO_SECONDS)
            name = ""
            with contextlib.suppress(OSError), connection.makefile("r", encoding="utf-8") as lines:
                name = lines.readline().strip()
            # A restarted process replaces its predecessor.
            with self._changed:
                self._present[name] = connection
                self._changed.notify_all()
