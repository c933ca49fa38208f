"""Adds up what a training's workers took of their nodes' time, over all attempts of all launches.

The sum is kept in the training's folder, so that a launch that goes on where another one was interrupted knows what
was spent before it. A launch that is killed adds nothing, unless its pods are taken over by the next.
"""

import contextlib
import time
from collections.abc import Iterator

from components import storage
from components.contracts import Document, PodSeconds
from components.train.launch.lease import LostLease

_FILE = "spent.json"


class SpentTime(Document, frozen=True, kw_only=True):
    """`spent.json` in the training's folder.

    Attributes:
      pods: Of all attempts that have ended.
    """

    pods: PodSeconds


class Usage:
    """What was taken so far.

    Attributes:
      pods: Of all attempts that have ended.
    """

    def __init__(self, folder: str = "") -> None:
        """Reads what earlier launches took.

        Args:
          folder: The training's folder, which this launch holds; empty to keep nothing.

        Raises:
          DataError: If the sum of earlier launches is damaged.
        """
        self._uri = storage.join(folder, _FILE) if folder else ""
        self.pods = PodSeconds()
        if self._uri and storage.exists(self._uri):
            self.pods = SpentTime.from_json(storage.read_bytes(self._uri), self._uri).pods

    def add(self, taken: PodSeconds, *, completed: bool) -> None:
        """Adds what an attempt took; one that did not complete the training counts as lost."""
        self.pods += taken if completed else taken.as_lost()
        if self._uri:
            storage.write_bytes(self._uri, SpentTime(pods=self.pods).to_json())

    @contextlib.contextmanager
    def timed(self) -> Iterator["TimedAttempt"]:
        """Adds the time of an attempt on this machine, however it ends, unless another launch holds the training."""
        attempt, started = TimedAttempt(), time.monotonic()
        try:
            yield attempt
        except LostLease:
            raise
        except BaseException:
            with contextlib.suppress(OSError):  # such as a full disk, which is why it ends
                self.add(PodSeconds(running=time.monotonic() - started), completed=False)
            raise
        self.add(PodSeconds(running=time.monotonic() - started), completed=attempt.completed)


class TimedAttempt:
    """An attempt whose time is taken.

    Attributes:
      completed: Whether it completed the training; to be set at its end.
    """

    completed = False
