"""Resumes a training from the newest intact checkpoint, the same one on all workers."""

from collections.abc import Mapping
from typing import Any

from components.errors import DataError
from components.progress import log
from components.train.checkpoint import checkpoints
from components.train.checkpoint.checkpoints import TrainingState
from components.train.checkpoint.snapshot import copy_to_device
from components.train.peers import cluster
from components.train.peers.rendezvous import LostPeer


def resume(strategy: Any, root: str, variables: Mapping[str, Any], worker: int, num_workers: int) -> TrainingState:
    """Restores the variables from the newest checkpoint under `root`, if there is one, and returns its state.

    The chief chooses the checkpoint and the others load the same one, because a file system may show new files to some
    machines later than to others.

    Raises:
      LostPeer: If a worker cannot read the chief's checkpoint.
    """
    state, arrays = TrainingState(), None
    if worker == 0:
        found = checkpoints.read_newest(root, lambda text: log("train", text))
        if found is not None:
            state, arrays = found
            log("train", f"resumed at epoch {state.epoch + 1}, step {state.step + 1}")
    if num_workers > 1:
        was_found, epoch, step = cluster.hear_chief(strategy, [int(arrays is not None), state.epoch, state.step])
        if was_found and worker > 0:
            name = TrainingState(epoch=epoch, step=step).checkpoint
            try:
                state, arrays = checkpoints.read_checkpoint(root, name)
            except DataError as error:
                raise LostPeer(
                    f"worker {worker} cannot resume from worker 0's checkpoint {name}: {error}; is data_root the "
                    "same folder for all workers?"
                ) from error
    if arrays is not None:
        copy_to_device(arrays, variables)
    return state


def restore_best(root: str, name: str, variables: Mapping[str, Any]) -> None:
    """Restores the variables of a model, without its optimizer, from the checkpoint with that name.

    Raises:
      DataError: If the checkpoint is missing, or has changed since it was written.
    """
    _, arrays = checkpoints.read_checkpoint(root, name)
    copy_to_device(arrays, variables, partial=True)
