"""One worker among its peers: meeting, strategy, agreement, leaving together."""

import hashlib
import json
import socket
import time
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import AgrivisionError
from components.train.spec import EXIT_TRY_AGAIN


class LostPeer(AgrivisionError):
    """A peer never came, went away, or has another state."""

    exit_code = EXIT_TRY_AGAIN


def worker_index(tf_config: str) -> int:
    """Returns this worker's place in the cluster of TF_CONFIG; 0 if there is no cluster."""
    return int(json.loads(tf_config)["task"]["index"]) if tf_config else 0


def meet_peers(rendezvous: str, worker: int, num_workers: int, wait_seconds: float) -> None:
    """Returns when all workers are here. TensorFlow itself would wait for ever for one that never comes.

    Args:
      rendezvous: "<host>:<port>" where worker 0 listens.

    Raises:
      LostPeer: after `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    host, _, port = rendezvous.rpartition(":")
    try:
        if worker == 0:
            _gather(host, int(port), num_workers, deadline)
        else:
            _report(host, int(port), worker, deadline)
    except OSError as error:
        what = f"worker {worker} of {num_workers} waited {wait_seconds:.0f} s for its peers in vain"
        raise LostPeer(f"{what}: {error}") from error


def _gather(host: str, port: int, num_workers: int, deadline: float) -> None:
    with socket.create_server((host, port), reuse_port=False) as server:
        present: dict[int, socket.socket] = {}
        try:
            while len(present) < num_workers - 1:
                server.settimeout(max(deadline - time.monotonic(), 0.001))
                connection, _ = server.accept()
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
        except (ConnectionError, socket.gaierror):
            # Not listening yet, or, in a cluster, not yet in the name service.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def make_strategy(worker: int, num_workers: int, num_threads: int) -> Any:
    """Returns the tf.distribute strategy: one replica per worker, on its GPU if there is one."""
    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)
    if gpus := tf.config.list_physical_devices("GPU"):
        # Workers of one machine share its GPUs, and a replica more than planned would see each tile twice.
        gpu = gpus[worker % len(gpus)]
        tf.config.set_visible_devices(gpu, "GPU")
        tf.config.experimental.set_memory_growth(gpu, True)
    return tf.distribute.MultiWorkerMirroredStrategy() if num_workers > 1 else tf.distribute.get_strategy()


def barrier(strategy: Any) -> None:
    """Returns when every worker is here; one that leaves early would be an error at its peers."""
    one = tf.function(lambda: tf.constant(1.0))
    tf.function(lambda: strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(one), axis=None))()


def add_up(strategy: Any, number: float) -> float:
    """Returns the sum of the workers' numbers, the same at all of them."""
    mine = tf.constant(number, tf.float32)
    total = tf.function(lambda: strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(lambda: mine), axis=None))()
    return float(total.numpy())


def check_agreement(strategy: Any, model: Any, global_step: int) -> None:
    """Refuses to start from different states: TensorFlow would train on, and the workers would diverge.

    Raises:
      LostPeer: if a worker has other weights, or stands at another step.
    """
    digest = hashlib.sha256(str(global_step).encode())
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    mine = tf.constant(np.frombuffer(digest.digest()[:8], np.int64))
    gather = tf.function(lambda: strategy.gather(strategy.run(lambda: mine), axis=0))
    if len(set(gather().numpy().tolist())) > 1:
        raise LostPeer("workers start from different checkpoints; is data_root the same folder for all of them?")


def average_statistics(strategy: Any, model: Any) -> None:
    """Makes the moving statistics of batch normalisation the mean over all workers; each keeps its own otherwise."""
    # By name: weights that are frozen do not learn either, and a mean of many would change their last bits.
    variables = [v.value for v in model.non_trainable_variables if v.name.startswith("moving_")]
    if not variables or strategy.num_replicas_in_sync == 1:
        return

    def average() -> None:
        context = tf.distribute.get_replica_context()
        # tf.identity: the collective needs tensors, not the variables themselves.
        mine = [tf.identity(tf.convert_to_tensor(variable)) for variable in variables]
        for variable, mean in zip(variables, context.all_reduce(tf.distribute.ReduceOp.MEAN, mine), strict=True):
            variable.assign(mean)

    tf.function(lambda: strategy.run(average))()
