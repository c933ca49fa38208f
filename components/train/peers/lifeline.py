"""How a worker ends when nobody is left to end it. Imports no TensorFlow, so that it works from the first moment on."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from components.train.settings.worker_spec import EXIT_STOPPED, EXIT_TRY_AGAIN

_BEAT_SECONDS = 1.0


def heed_sigterm() -> None:
    """Ends the first process of a container at SIGTERM, which such a process does not heed of itself.

    Until run_worker listens for it, and writes a checkpoint.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(EXIT_STOPPED))


def end_with_launcher() -> None:
    """Ends this process as soon as its standard input ends, i.e. when the launcher that holds it open is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os._exit(EXIT_TRY_AGAIN)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()


def show_life(path: str) -> None:
    """Touches the file every second, whatever else this process does: if it grows old, the process stands still."""
    heartbeat = Path(path)
    heartbeat.touch()

    def beat() -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            os.utime(heartbeat)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()


class Watchdog:
    """Ends this process if its work no longer advances: a hung collective can be left in no other way.

    How long a step may take is told from those before it. Up to the first, which compiles, it may take `first_seconds`;
    afterwards `factor` times the longest so far, that one included, for validation, a new stage and the export compile
    too. So a small network is given up after minutes, and one whose steps take minutes is not.
    """

    def __init__(self, first_seconds: float, factor: float = 5.0, least_seconds: float = 300.0) -> None:
        self._limit, self._first = first_seconds, first_seconds
        self._factor, self._least = factor, least_seconds
        self._longest = 0.0
        self._last = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @property
    def limit(self) -> float:
        """Seconds that the present step may take."""
        return self._limit

    def pat(self) -> None:
        """Notes that the work has advanced."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        self._limit = min(self._first, max(self._least, self._factor * self._longest))

    def _watch(self) -> None:
        while (left := self._last + self._limit - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
        print(f"error: no step for {self._limit:.0f} s; is a peer stuck?", flush=True)
        os._exit(EXIT_TRY_AGAIN)
