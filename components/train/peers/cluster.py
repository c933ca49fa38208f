"""What a worker does together with its peers: meet them, exchange numbers, and finish at the same time."""

import contextlib
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.train.peers.rendezvous import LostPeer, Meeting, joined, wait_for_release

_RETRY_SECONDS = 0.2
_TIMES = 3  # that adding up is timed
_IN_A_ROW = 20  # exchanges in a call


def task_of(tf_config: str) -> tuple[str, int]:
    """Returns the type and number of this process in the cluster of TF_CONFIG; ("worker", 0) if that is empty."""
    task: dict[str, Any] = json.loads(tf_config)["task"] if tf_config else {"type": "worker", "index": 0}
    return str(task["type"]), int(task["index"])


def meet_peers(rendezvous: str, nonce: str, worker: int, num_workers: int, wait_seconds: float) -> None:
    """Waits until all workers are present. TensorFlow itself would wait forever for a missing one.

    Args:
      rendezvous: "<host>:<port>" where worker 0 listens.
      nonce: Nonce of the training's spec.
      worker: Number of this worker.
      num_workers: Number of workers.
      wait_seconds: How long to wait.

    Raises:
      LostPeer: If a worker is missing after `wait_seconds`, or worker 0 goes away meanwhile.
    """
    me, deadline = f"worker {worker}", time.monotonic() + wait_seconds
    try:
        if worker == 0:
            with contextlib.closing(
                Meeting(rendezvous, nonce, [f"worker {i}" for i in range(1, num_workers)])
            ) as meeting:
                meeting.wait(wait_seconds)
                meeting.release()
            return
        # Again if the connection breaks: worker 0 may have been restarted, or somebody else may have had its port.
        while (left := deadline - time.monotonic()) > 0:
            with joined(rendezvous, nonce, me, left) as connection:
                if wait_for_release(connection, nonce, me, left):
                    return
            time.sleep(_RETRY_SECONDS)
        raise LostPeer("worker 0 went away")
    except (LostPeer, OSError) as error:
        what = f"{me} of {num_workers} gave up waiting for its peers after {wait_seconds:.0f} s"
        raise LostPeer(f"{what}: {error}") from error


def barrier(strategy: Any) -> None:
    """Waits for all workers; a worker that left early would cause an error at its peers."""
    add_up(strategy, [1.0])


def add_up(strategy: Any, numbers: Sequence[float]) -> list[float]:
    """Returns the elementwise sum of the workers' lists, which have equal lengths; the result is the same on all."""

    def on_all(mine: Any) -> Any:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, args=(mine,)), axis=None)

    return [float(total) for total in tf.function(on_all, autograph=False)(tf.constant(numbers, tf.float32)).numpy()]


def seconds_to_add_up(strategy: Any, num_numbers: int) -> float:
    """Returns how long the workers take to add up so many numbers, e.g. a model's weights; all must call this together.

    The fastest of a few times, which is that of the network; the others also waited for a busy worker.
    """

    def on_all(mine: Any) -> Any:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(tf.identity, args=(mine,)), axis=None)

    add, zeros, seconds = tf.function(on_all, autograph=False), tf.zeros([num_numbers], tf.float32), []
    for _ in range(_TIMES + 1):  # the first compiles
        began = time.perf_counter()
        add(zeros).numpy()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def seconds_of_exchange(strategy: Any) -> float:
    """Returns how long workers take to add up one number, amid others in a call; all must call this together.

    So do the layers of batch normalisation in a step. It is the median of a few times, because all of them count.
    """

    def on_replica() -> Any:
        number = tf.zeros([1]) + 1.0
        for _ in range(_IN_A_ROW):
            total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, number)
            number = tf.convert_to_tensor(total) / strategy.num_replicas_in_sync
        return number

    exchange, seconds = tf.function(lambda: strategy.run(on_replica), autograph=False), []
    for _ in range(_TIMES + 1):  # the first compiles
        began = time.perf_counter()
        strategy.experimental_local_results(exchange())[0].numpy()
        seconds.append((time.perf_counter() - began) / _IN_A_ROW)
    return statistics.median(seconds[1:])


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
