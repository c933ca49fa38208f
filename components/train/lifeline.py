"""How a worker ends when nobody is left to end it. Imports no TensorFlow, so that it works from the first moment on."""

import os
import sys
import threading
import time

from components.train.spec import EXIT_TRY_AGAIN


def end_with_launcher() -> None:
    """Ends this process as soon as its standard input ends, i.e. when the launcher that holds it open is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os._exit(EXIT_TRY_AGAIN)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()


class Watchdog:
    """Ends this process if nothing happens for `seconds`: a hung collective can be left in no other way."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def pat(self) -> None:
        """Notes that something happened."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        while (left := self._last + self._seconds - time.monotonic()) > 0:
            time.sleep(left)
        print(f"error: no step for {self._seconds:.0f} s; is a peer stuck?", flush=True)
        os._exit(EXIT_TRY_AGAIN)
