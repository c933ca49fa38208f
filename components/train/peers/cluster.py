"""What a worker does together with its peers: meet them, exchange numbers, and finish at the same time."""

import json
import socket
import time
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.errors import AgrivisionError
from components.train.settings.worker_spec import EXIT_TRY_AGAIN


class LostPeer(AgrivisionError):
    """A peer never came, went away, or has a different state."""

    exit_code = EXIT_TRY_AGAIN


def task_of(tf_config: str) -> tuple[str, int]:
    """Returns the type and number of this process in the cluster of TF_CONFIG; ("worker", 0) if that is empty."""
    task: dict[str, Any] = json.loads(tf_config)["task"] if tf_config else {"type": "worker", "index": 0}
    return str(task["type"]), int(task["index"])


def meet_peers(rendezvous: str, worker: int, num_workers: int, wait_seconds: float) -> None:
    """Waits until all workers are present. TensorFlow itself would wait forever for a missing one.

    Args:
      rendezvous: "<host>:<port>" where worker 0 listens.
      worker: Number of this worker.
      num_workers: Number of workers.
      wait_seconds: How long to wait.

    Raises:
      LostPeer: If a worker is missing after `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    host, _, port = rendezvous.rpartition(":")
    try:
        if worker == 0:
            _gather(host, int(port), num_workers, deadline)
        else:
            _report(host, int(port), worker, deadline)
    except OSError as error:
        what = f"worker {worker} of {num_workers} gave up waiting for its peers after {wait_seconds:.0f} s"
        raise LostPeer(f"{what}: {error}") from error


def _gather(host: str, port: int, num_workers: int, deadline: float) -> None:
    with socket.create_server((host, port), reuse_port=False) as server:
        present: dict[int, socket.socket] = {}
        try:
            while len(present) < num_workers - 1:
                server.settimeout(max(deadline - time.monotonic(), 0.001))
                try:
                    connection, _ = server.accept()
                except TimeoutError as error:
                    missing = ", ".join(str(worker) for worker in range(1, num_workers) if worker not in present)
                    raise TimeoutError(f"worker {missing} never came") from error
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                present[int(connection.recv(16) or b"0")] = connection
            for connection in present.values():
                connection.sendall(b"go")
        finally:
            for connection in present.values():
                connection.close()


def _report(host: str, port: int, worker: int, deadline: float) -> None:
    while True:
        try:
            with socket.create_connection((host, port), timeout=max(deadline - time.monotonic(), 0.001)) as connection:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                connection.sendall(str(worker).encode())
                if connection.recv(2):
                    return
                raise ConnectionResetError("worker 0 went away")
        except (ConnectionError, socket.gaierror) as error:
            # Worker 0 does not listen yet, or, on a cluster, has no DNS name yet.
            if time.monotonic() > deadline:
                raise TimeoutError(f"worker 0 never came to {host}:{port}: {error}") from error
            time.sleep(0.2)


def barrier(strategy: Any) -> None:
    """Waits for all workers; a worker that left early would cause an error at its peers."""
    add_up(strategy, [1.0])


def add_up(strategy: Any, numbers: Sequence[float]) -> list[float]:
    """Returns the elementwise sum of the workers' lists, which have equal lengths; the result is the same on all."""

    def on_all(mine: Any) -> Any:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, args=(mine,)), axis=None)

    return [float(total) for total in tf.function(on_all, autograph=False)(tf.constant(numbers, tf.float32)).numpy()]


def gather(strategy: Any, number: float) -> list[float]:
    """Returns one number per worker, the same list on all of them."""
    return [float(each) for each in _gather_rows(strategy, tf.constant([number], tf.float32))]


def device() -> str:
    """Returns the kind of device that runs this worker's steps: "TPU", "GPU" or "CPU"."""
    return next((kind for kind in ("TPU", "GPU") if tf.config.list_logical_devices(kind)), "CPU")


def hear_chief(strategy: Any, numbers: Sequence[int]) -> list[int]:
    """Returns the chief's numbers on all workers; all pass lists of equal length."""
    return [int(number) for number in _gather_rows(strategy, tf.constant([numbers], tf.int64))[0]]


def _gather_rows(strategy: Any, mine: Any) -> Any:
    everyone = tf.function(lambda: strategy.gather(strategy.run(tf.identity, args=(mine,)), axis=0), autograph=False)
    return everyone().numpy()
