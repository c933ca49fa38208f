"""Checkpoints: `checkpoints/epoch-<epoch>-step-<step>/` in the training's folder, either complete or absent.

Each has its variables in `variables.npz`, and the state of training with the sha256 of that file in `state.json`, which
is written last. A checkpoint whose bytes have changed is never restored; the one before it is restored instead. Imports
no TensorFlow.
"""

import contextlib
import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from components import storage
from components.contracts import Document, EpochMetrics
from components.contracts.names import PathPart, PathPartOrEmpty, Sha256
from components.errors import DataError
from components.storage import disk, whole_folder

STATE = "state.json"
_VARIABLES = "variables.npz"


class TrainingState(Document, frozen=True, kw_only=True):
    """How far a training has come.

    Attributes:
      epoch, step: The next step to take; `step` counts within the epoch.
      global_step: Steps taken since the first epoch.
      loss_sum: Sum of the losses of this epoch's steps so far.
      best_epoch, best_checkpoint: The best epoch so far and the checkpoint at its end; -1 and "" during the first
        epoch.
      history: One entry per finished epoch.
      seconds: Seconds spent so far, over all restarts.
      files: sha256 of each of the checkpoint's other files, by name; empty until it is written.
    """

    epoch: int = 0
    step: int = 0
    global_step: int = 0
    loss_sum: float = 0.0
    best_epoch: int = -1
    best_checkpoint: PathPartOrEmpty = ""
    history: tuple[EpochMetrics, ...] = ()
    seconds: float = 0.0
    files: dict[PathPart, Sha256] = msgspec.field(default_factory=dict)

    @property
    def best(self) -> EpochMetrics | None:
        """The best epoch so far; None before the first one ends."""
        return self.history[self.best_epoch] if self.history else None

    @property
    def checkpoint(self) -> str:
        """The name of a checkpoint of this state; names sort by age."""
        return f"epoch-{self.epoch:05d}-step-{self.step:09d}"


def write_checkpoint(root: str, arrays: Mapping[str, NDArray[Any]], state: TrainingState, keep: int) -> None:
    """Writes a checkpoint under `root`, and then removes those that are no longer needed.

    Args:
      root: Folder of the checkpoints.
      arrays: The variables, by name.
      state: The state of training.
      keep: How many of the latest checkpoints to keep. The checkpoint of each one's best epoch is kept too.
    """
    with _staging(root) as folder:
        with open(folder / _VARIABLES, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        state = msgspec.structs.replace(state, files={_VARIABLES: _sha256(folder / _VARIABLES)})
        state.write(folder / STATE)
        whole_folder.publish(folder, storage.join(root, state.checkpoint), last=STATE, move=True)
    names = names_under(root)
    kept = set(names[-keep:])
    for name in tuple(kept):
        with contextlib.suppress(DataError):
            kept.add(_read_state(root, name).best_checkpoint)
    for name in names:
        if name not in kept:
            whole_folder.remove(storage.join(root, name), last=STATE)


def read_checkpoint(root: str, name: str) -> tuple[TrainingState, dict[str, NDArray[Any]]]:
    """Returns the state and the variables of a checkpoint.

    Raises:
      DataError: If the checkpoint is missing, or has changed since it was written.
    """
    state = _read_state(root, name)
    uri = storage.join(root, name, _VARIABLES)
    try:
        with storage.local_copy(uri) as path:
            if _sha256(path) != state.files.get(_VARIABLES):
                raise DataError(f"{uri} has changed since it was written: its sha256 differs")
            with np.load(path, allow_pickle=False) as arrays:
                return state, dict(arrays)
    except FileNotFoundError as error:
        raise DataError(f"{uri} is gone") from error
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{uri} cannot be read: {error}") from error


def read_newest(root: str, say: Callable[[str], None]) -> tuple[TrainingState, dict[str, NDArray[Any]]] | None:
    """Returns the newest intact checkpoint, or None if there is none.

    Removes damaged and incomplete checkpoints, so that training can write them again. Call this only in the process
    that writes checkpoints.

    Args:
      root: Folder of the checkpoints.
      say: Called with a message for each damaged checkpoint.
    """
    _remove_remains(root)
    for name in reversed(names_under(root)):
        try:
            return read_checkpoint(root, name)
        except DataError as error:
            say(f"checkpoint {name} is damaged, falling back to the one before it: {error}")
            whole_folder.remove(storage.join(root, name), last=STATE)
    return None


def names_under(root: str) -> list[str]:
    """Returns the names of the complete checkpoints, oldest first."""
    return sorted(name for name, files in _folders(root).items() if STATE in files)


def _read_state(root: str, name: str) -> TrainingState:
    uri = storage.join(root, name, STATE)
    try:
        return TrainingState.from_json(storage.read_bytes(uri), uri)
    except FileNotFoundError as error:
        raise DataError(f"{uri} is gone") from error


def _folders(root: str) -> dict[str, set[str]]:
    folders: dict[str, set[str]] = {}
    with contextlib.suppress(storage.NoSuchFolder):  # no checkpoint yet
        for file in storage.list_files(root):
            name, _, path = file.path.partition("/")
            folders.setdefault(name, set()).add(path)
    return folders


def _remove_remains(root: str) -> None:
    """Removes the remains of checkpoints whose writing or removal was interrupted."""
    for name, files in _folders(root).items():
        if STATE not in files:
            whole_folder.remove(storage.join(root, name), last=STATE)
    if not storage.is_remote(root):
        for path in Path(root).glob(".*.tmp"):
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _staging(root: str) -> Iterator[Path]:
    """Yields a folder to write a checkpoint to, next to the others if local, so that a rename publishes it."""
    if storage.is_remote(root):
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
        return
    disk.make_folder(root)
    folder = Path(tempfile.mkdtemp(prefix=".checkpoint-", suffix=".tmp", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
