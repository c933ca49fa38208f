"""Decides which records are read at which step, with pure functions of (seed, epoch), for any number of workers.

A global batch is cut into equal, contiguous slices, one per worker, so that N workers together see what one worker
would see. Plans allow random access: starting at a step means starting at a row.
"""

import numpy as np
from numpy.typing import NDArray

from components.train.input.sampling import balanced_order

NO_RECORD = -1  # pads the last global batch of an evaluation


def epoch_order(num_records: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns the epoch's order, a permutation of range(num_records), int64 [num_records]."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    return generator.permutation(num_records).astype(np.int64)


def train_plan(
    num_records: int,
    global_batch_size: int,
    worker: int,
    num_workers: int,
    seed: int,
    epoch: int,
    sampling_weights: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Returns this worker's records for training, int64 [steps, global_batch_size / num_workers].

    An incomplete last global batch is left out; each epoch leaves out different records.

    Args:
      num_records: Number of records N.
      global_batch_size: Over all workers.
      worker: Number of this worker.
      num_workers: Number of workers.
      seed: Seed of the training.
      epoch: The epoch, from 0.
      sampling_weights: How often to read each record, [N], from sampling.sampling_weights; None reads each once.
    """
    num_steps = num_records // global_batch_size
    if sampling_weights is None:
        order = epoch_order(num_records, seed, epoch)
    else:
        order = balanced_order(sampling_weights, seed, epoch)
    return _slice(order[: num_steps * global_batch_size], global_batch_size, worker, num_workers)


def evaluation_plan(num_records: int, global_batch_size: int, worker: int, num_workers: int) -> NDArray[np.int64]:
    """Returns this worker's records for evaluation, in order, int64 [steps, global_batch_size / num_workers].

    Over all workers, every record occurs once; the last global batch is padded with NO_RECORD.
    """
    num_steps = -(-num_records // global_batch_size)
    order = np.full(num_steps * global_batch_size, NO_RECORD, np.int64)
    order[:num_records] = np.arange(num_records)
    return _slice(order, global_batch_size, worker, num_workers)


def batch_positions(global_batch_size: int, worker: int, num_workers: int) -> NDArray[np.int32]:
    """Returns the positions of this worker's tiles in the global batch, int32 [global_batch_size / num_workers]."""
    local = global_batch_size // num_workers
    return np.arange(worker * local, (worker + 1) * local, dtype=np.int32)


def _slice(order: NDArray[np.int64], global_batch_size: int, worker: int, num_workers: int) -> NDArray[np.int64]:
    local = global_batch_size // num_workers
    return order.reshape(-1, global_batch_size)[:, worker * local : (worker + 1) * local]
