"""Allows one launch of a training at a time: a second one waits for the first, and then reuses its model."""

import contextlib
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from components import storage
from components.storage import disk
from components.train.launch.bucket_lease import leased
from components.train.launch.file_lock import locked
from components.train.launch.lease import Lease, Nowhere, Whereabouts

LEASE = "lease.json"
_SECONDS = 60.0  # a lease in a bucket is free after this long without a renewal


@contextlib.contextmanager
def hold(
    folder: str, say: Callable[[str], None], seconds: float = _SECONDS, whereabouts: Whereabouts | None = None
) -> Iterator[Lease]:
    """Holds the training in `folder`, after waiting for whoever holds it now.

    Args:
      folder: The training's folder, a path or gs:// URI.
      say: Called with a message if another launch holds the training, or the lease cannot be given back.
      seconds: Duration of a lease in a bucket.
      whereabouts: Of this launch and of others; None if nobody can find out.

    Raises:
      DataError: If there is something else where the lease should be, or the folder has no locks.
    """
    me = f"process {os.getpid()} on {socket.gethostname()}"

    def say_who(holder: str) -> None:
        say(f"{holder or 'another launch'} is already running this training; waiting for it to end")

    if storage.is_remote(folder):
        me = f"{me} ({uuid.uuid4().hex[:8]})"
        with leased(storage.join(folder, LEASE), me, say, say_who, seconds, whereabouts or Nowhere()) as lease:
            yield lease
        return
    disk.make_folder(folder)
    with locked(str(Path(folder, ".lock")), me, say_who) as lock:
        yield lock
