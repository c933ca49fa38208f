"""Ends a worker that nothing else would end. Imports no TensorFlow, so it works from the first moment on."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from components.train.settings.worker_spec import EXIT_STOPPED, EXIT_TRY_AGAIN

_BEAT_SECONDS = 1.0


def heed_sigterm() -> None:
    """Makes SIGTERM end the first process of a container, which ignores SIGTERM by default.

    Later, run_worker replaces the handler with one that lets the worker write a checkpoint.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(EXIT_STOPPED))


def end_with_launcher() -> None:
    """Ends this process when its standard input ends, that is, when the launcher that holds it open is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os._exit(EXIT_TRY_AGAIN)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()


def show_life(path: str) -> None:
    """Touches the file every second, whatever else this process does; an old file means that the process hangs."""
    heartbeat = Path(path)
    heartbeat.touch()

    def beat() -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            os.utime(heartbeat)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()


class Watchdog:
    """Ends this process if its work makes no progress, which is the only way out of a hung collective.

    The time limit of a step depends on the steps before it. The first step, which compiles, may take `first_seconds`;
    later ones may take `factor` times the longest so far. The longest includes the first step, because validation, a
    new stage and the export compile too. So a small network is given up after minutes, but slow steps may take longer.
    """

    def __init__(self, first_seconds: float, factor: float = 5.0, least_seconds: float = 300.0) -> None:
        self._limit, self._first = first_seconds, first_seconds
        self._factor, self._least = factor, least_seconds
        self._longest = 0.0
        self._last = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @property
    def limit(self) -> float:
        """Seconds that the current step may take."""
        return self._limit

    def pat(self) -> None:
        """Records that the work has made progress."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        self._limit = min(self._first, max(self._least, self._factor * self._longest))

    def _watch(self) -> None:
        while (left := self._last + self._limit - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
        print(f"error: no step for {self._limit:.0f} s; is a peer stuck?", flush=True)
        os._exit(EXIT_TRY_AGAIN)
