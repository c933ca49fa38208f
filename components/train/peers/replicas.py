"""Splits a worker's tensors among its replicas; a worker has one replica on each of its devices."""

from typing import Any

import tensorflow as tf


def num_local_replicas(strategy: Any, num_workers: int) -> int:
    """Returns how many replicas of the model this worker has."""
    return int(strategy.num_replicas_in_sync) // num_workers


def share_out(strategy: Any, num_replicas: int, *tensors: Any) -> tuple[Any, ...]:
    """Returns the tensors for strategy.run, split so that each replica of this worker gets an equal, contiguous part.

    The worker's part of the global batch is contiguous too, so all replicas together see what a single one would.

    Args:
      strategy: The tf.distribute strategy.
      num_replicas: Replicas of this worker.
      tensors: [n, ...], with n a multiple of `num_replicas`.
    """
    if num_replicas == 1:
        return tensors

    def parts_of(tensor: Any) -> Any:
        parts = tf.split(tensor, num_replicas)
        return strategy.experimental_distribute_values_from_function(
            # Replica ids count over all workers; the ids of one worker are consecutive.
            lambda context: parts[context.replica_id_in_sync_group % num_replicas]
        )

    return tuple(parts_of(tensor) for tensor in tensors)
