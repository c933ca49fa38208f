"""The replicas of one worker, of which it has one on each of its devices: what each of them works on."""

from typing import Any

import tensorflow as tf


def num_local_replicas(strategy: Any, num_workers: int) -> int:
    """Returns how many replicas of the model this worker has."""
    return int(strategy.num_replicas_in_sync) // num_workers


def share_out(strategy: Any, num_replicas: int, *tensors: Any) -> tuple[Any, ...]:
    """Returns the tensors for strategy.run: each replica of this worker gets its equal, contiguous part of them.

    The worker's part of the global batch is contiguous too, so that all replicas together see what one would.

    Args:
      num_replicas: of this worker.
      tensors: [n, ...], with n a multiple of `num_replicas`.
    """
    if num_replicas == 1:
        return tensors

    def parts_of(tensor: Any) -> Any:
        parts = tf.split(tensor, num_replicas)
        return strategy.experimental_distribute_values_from_function(
            # Numbered over all workers, the replicas of one following each other.
            lambda context: parts[context.replica_id_in_sync_group % num_replicas]
        )

    return tuple(parts_of(tensor) for tensor in tensors)
