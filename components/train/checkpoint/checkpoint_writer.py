"""Writes checkpoints in a thread of its own, while training goes on."""

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

# Another attempt would find the same.
_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


class CheckpointWriter:
    """Takes a copy of the variables, which is all that a step waits for, and writes it meanwhile; one at a time.

    Attributes:
      root: Folder of the checkpoints.
      variables: What they hold, by name.
      stalls: Seconds that the calling thread stood still, for each checkpoint.
    """

    def __init__(self, root: str, variables: Mapping[str, Any], keep: int, every_seconds: float, writes: bool) -> None:
        """Makes a writer to the folder `root`.

        Args:
          variables: by name, from snapshot.named_variables.
          keep: How many checkpoints are kept, as in checkpoints.write_checkpoint.
          every_seconds: From one checkpoint to when the next is due; 0 for never.
          writes: Whether this worker writes; one does, the others only keep step.
        """
        self.stalls: list[float] = []
        self.root, self.variables = root, variables
        self._keep = keep
        self._every_seconds, self._writes = every_seconds, writes
        self._last = time.monotonic()
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: concurrent.futures.Future[None] | None = None

    def is_due(self) -> bool:
        """Tells whether it is time for a checkpoint within the epoch; not while the one before is on its way."""
        is_idle = self._pending is None or self._pending.done()
        return self._writes and 0 < self._every_seconds <= time.monotonic() - self._last and is_idle

    def save(self, state: TrainingState, started: float | None = None) -> None:
        """Begins to write a checkpoint, once the one before is written.

        Args:
          started: time.monotonic() when training came to stand still for it; None for now.

        Raises:
          DataError: if the one before could not be written.
        """
        if not self._writes:
            return
        started = time.monotonic() if started is None else started
        self.wait()
        self._pending = self._pool.submit(self._write, copy_to_host(self.variables), state)
        self._last = time.monotonic()
        self.stalls.append(self._last - started)

    def wait(self) -> None:
        """Returns when all that was begun is written.

        Raises:
          DataError: if it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def check(self) -> None:
        """Raises what went wrong since, as wait does, without waiting."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def _write(self, arrays: dict[str, NDArray[Any]], state: TrainingState) -> None:
        for name, array in arrays.items():
            # A step can have a loss that is a number and a gradient that is none.
            if name.startswith(WEIGHTS) and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise DataError(
                    f"weights are no longer numbers at epoch {state.epoch + 1}, after step {state.step}; lower "
                    "learning_rate; the checkpoint before is kept"
                )
        try:
            checkpoints.write_checkpoint(self.root, arrays, state, self._keep)
        except OSError as error:
            if error.errno not in _HOPELESS:
                raise
            raise DataError(
                f"cannot write checkpoint {state.checkpoint} under {self.root!r}: {error.strerror}; the one before it "
                "is whole: make room, and run again to go on from there"
            ) from error
