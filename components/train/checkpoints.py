"""Checkpoints: `checkpoints/epoch-<epoch>-step-<step>/` in the training's folder, complete or not there.

Every worker takes part in writing one; only the chief's is published, by one rename (on a bucket,
`state.json` comes last). The last one is kept, for resuming, and that of the best epoch, for the export.
"""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from components import storage
from components.contracts import Document, EpochMetrics
from components.errors import DataError

STATE = "state.json"
_TENSORS = "tensors"


class TrainingState(Document, frozen=True, kw_only=True):
    """Where a training stands.

    Attributes:
      epoch, step: The next step to take; `step` counts within the epoch.
      global_step: Steps taken since the first epoch.
      loss_sum: Sum of the losses of this epoch's steps so far.
      best_epoch, best_checkpoint: The best epoch so far and the checkpoint at its end; -1 and "" before the first end.
      history: One entry per finished epoch.
      seconds: Spent so far, over all restarts.
    """

    epoch: int = 0
    step: int = 0
    global_step: int = 0
    loss_sum: float = 0.0
    best_epoch: int = -1
    best_checkpoint: str = ""
    history: tuple[EpochMetrics, ...] = ()
    seconds: float = 0.0

    @property
    def best(self) -> EpochMetrics | None:
        """The best epoch so far."""
        return self.history[self.best_epoch] if self.history else None

    @property
    def checkpoint(self) -> str:
        """The name of the checkpoint in this state; sorts by age."""
        return f"epoch-{self.epoch:05d}-step-{self.step:09d}"


def save(root: str, checkpoint: Any, state: TrainingState, is_chief: bool) -> None:
    """Writes a checkpoint under `root`, and removes those that nobody needs any more.

    Args:
      checkpoint: tf.train.Checkpoint.
    """
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint.write(str(Path(temporary, _TENSORS)))
        if not is_chief:
            return
        state.write(Path(temporary, STATE))
        storage.publish_folder(Path(temporary), storage.join(root, state.checkpoint), last=STATE)
    for name in _complete(root):
        if name not in (state.checkpoint, state.best_checkpoint):
            storage.remove_folder(storage.join(root, name), last=STATE)


def latest_state(root: str) -> TrainingState | None:
    """Returns the state of the last complete checkpoint under `root`, or None."""
    names = _complete(root)
    if not names:
        return None
    uri = storage.join(root, names[-1], STATE)
    return TrainingState.from_json(storage.read_bytes(uri), uri)


def restore(root: str, checkpoint: Any, name: str, partial: bool = False) -> None:
    """Restores the checkpoint of that name.

    Args:
      checkpoint: tf.train.Checkpoint.
      partial: `checkpoint` holds only some of the objects that were saved, e.g. the model without its optimizer.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = storage.download_folder(storage.join(root, name), Path(temporary))
        status = checkpoint.read(str(folder / _TENSORS))
        if partial:
            status.assert_existing_objects_matched().expect_partial()
        else:
            status.assert_consumed()


def _complete(root: str) -> list[str]:
    """Returns the names of the complete checkpoints, oldest first."""
    with contextlib.suppress(DataError):  # no such folder: no checkpoint yet
        paths = [file.path.split("/") for file in storage.list_files(root)]
        return sorted(path[0] for path in paths if path[1:] == [STATE])
    return []
