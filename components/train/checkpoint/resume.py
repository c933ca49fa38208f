"""Where a training goes on: at the newest whole checkpoint, the same for all workers."""

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
    """Gives the variables what they had at the newest checkpoint under `root`, if there is one, and returns the state.

    The chief looks for it and the others take the same, whatever they see: one that a file system shows to some of them
    later is no reason to go apart.

    Raises:
      LostPeer: if a worker does not find the chief's checkpoint.
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
                    f"worker {worker} cannot go on from checkpoint {name} as worker 0 does: {error}; is data_root the "
                    "same folder for all of them?"
                ) from error
    if arrays is not None:
        copy_to_device(arrays, variables)
    return state


def restore_best(root: str, name: str, variables: Mapping[str, Any]) -> None:
    """Gives the variables of a model, without its optimizer, what they had at the checkpoint of that name.

    Raises:
      DataError: if it is not there, or not what was written.
    """
    _, arrays = checkpoints.read_checkpoint(root, name)
    copy_to_device(arrays, variables, partial=True)
