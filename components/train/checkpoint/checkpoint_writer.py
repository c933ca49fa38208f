"""Writes checkpoints in a background thread while training continues."""

import concurrent.futures
import errno
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.errors import DataError
from components.train.checkpoint import checkpoints
from components.train.checkpoint.checkpoints import TrainingState
from components.train.checkpoint.snapshot import WEIGHTS, copy_to_host

# Another attempt would fail in the same way.
_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


class CheckpointWriter:
    """Copies the variables and writes the copy in the background, one at a time; training only waits for the copy.

    Attributes:
      root: Folder of the checkpoints.
      variables: The variables to save, by name.
      stalls: Seconds that the calling thread was paused, for each checkpoint.
    """

    def __init__(self, root: str, variables: Mapping[str, Any], keep: int, every_seconds: float, writes: bool) -> None:
        """Creates a writer to the folder `root`.

        Args:
          root: Folder of the checkpoints.
          variables: By name, from snapshot.named_variables.
          keep: How many checkpoints to keep, as in checkpoints.write_checkpoint.
          every_seconds: Time after a checkpoint when the next one is due; 0 for never.
          writes: Whether this worker writes; only one does, the others ignore calls.
        """
        self.stalls: list[float] = []
        self.root, self.variables = root, variables
        self._keep = keep
        self._every_seconds, self._writes = every_seconds, writes
        self._last = time.monotonic()
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: concurrent.futures.Future[None] | None = None

    def is_due(self) -> bool:
        """Returns whether a checkpoint within the epoch is due; never while the previous one is being written."""
        is_idle = self._pending is None or self._pending.done()
        return self._writes and 0 < self._every_seconds <= time.monotonic() - self._last and is_idle

    def save(self, state: TrainingState, started: float | None = None) -> None:
        """Starts writing a checkpoint, after waiting for the previous one.

        Args:
          state: The state to save.
          started: time.monotonic() when training paused for it; None for now.

        Raises:
          DataError: If the previous one could not be written.
        """
        if not self._writes:
            return
        started = time.monotonic() if started is None else started
        self.wait()
        self._pending = self._pool.submit(self._write, copy_to_host(self.variables), state)
        self._last = time.monotonic()
        self.stalls.append(self._last - started)

    def wait(self) -> None:
        """Waits until the last checkpoint is written.

        Raises:
          DataError: If it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def check(self) -> None:
        """Raises the error of the last checkpoint, if it failed, without waiting for it."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def _write(self, arrays: dict[str, NDArray[Any]], state: TrainingState) -> None:
        for name, array in arrays.items():
            # A step can have a finite loss, but a gradient that is not finite.
            if name.startswith(WEIGHTS) and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise DataError(
                    f"weights are no longer finite at epoch {state.epoch + 1}, after step {state.step}; lower "
                    "learning_rate; the previous checkpoint is kept"
                )
        try:
            checkpoints.write_checkpoint(self.root, arrays, state, self._keep)
        except OSError as error:
            if error.errno not in _HOPELESS:
                raise
            raise DataError(
                f"cannot write checkpoint {state.checkpoint} under {self.root!r}: {error.strerror}; the previous one "
                "is intact: make room, and run again to continue from there"
            ) from error
