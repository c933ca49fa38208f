"""Ends a worker that nothing else would end. Imports no TensorFlow, so it works from the first moment on."""

import contextlib
import math
import os
import re
import select
import signal
import sys
import threading
import time
from pathlib import Path

from components.train.settings.worker_spec import EXIT_STOPPED, EXIT_TRY_AGAIN

_BEAT_SECONDS = 1.0
_SILENT_SECONDS = 300.0  # of a launcher that has stopped; it may be a debugger, or Ctrl-Z, so not at once
_LEAST_SILENT_SECONDS = 10.0
_CHECKPOINT_SECONDS = 20.0  # to write one
_PIPE_BYTES = 1 << 16  # all that a pipe holds, so that no line is read in two parts


def heed_sigterm() -> None:
    """Makes SIGTERM end the first process of a container, which ignores SIGTERM by default.

    Later, run_worker replaces the handler with one that lets the worker write a checkpoint.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(EXIT_STOPPED))


def end_with_launcher(silent_seconds: float = _SILENT_SECONDS) -> None:
    """Ends this process when its launcher is gone, or has stopped.

    The launcher holds this process's standard input open, and writes a line every second: for how many seconds it may
    go on alone. The input ends with the launcher. If it only falls silent, this process gets SIGTERM, so that it writes
    a checkpoint, and is ended some seconds later in any case.

    Seconds are counted by looking, so they stand still while this process is stopped or its machine sleeps: after that,
    a launcher that stood still with it has time to write again.

    Args:
      silent_seconds: How long the launcher may be silent, at most.
    """

    def watch() -> None:
        told, silent = math.inf, 0.0
        while silent < _patience(told, silent_seconds):
            told, silent = _heard(told, silent)
        _mention(f"train | the launcher has been silent for {silent:.0f} s; ending after a checkpoint\n")
        os.kill(os.getpid(), signal.SIGTERM)
        until = min(told, silent + _CHECKPOINT_SECONDS)
        while silent < until:
            _, silent = _heard(told, silent)
        os._exit(EXIT_TRY_AGAIN)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()


def _patience(told: float, silent_seconds: float) -> float:
    """Returns how long the launcher may be silent if it said that this process may go on for `told` seconds."""
    # With time left for a checkpoint, but a launcher on a busy machine must not be taken for one that has stopped.
    return min(silent_seconds, told, max(told - _CHECKPOINT_SECONDS, _LEAST_SILENT_SECONDS))


def _heard(told: float, silent: float) -> tuple[float, float]:
    """Waits a moment for the launcher; returns how long it lets this process go on, and how long it has been silent."""
    if not select.select([sys.stdin], [], [], _BEAT_SECONDS)[0]:
        return told, silent + _BEAT_SECONDS
    text = os.read(sys.stdin.fileno(), _PIPE_BYTES)
    if not text:
        os._exit(EXIT_TRY_AGAIN)
    lines = re.findall(rb"^([0-9]{1,9}|inf)\n", text, re.MULTILINE)
    return float(lines[-1]) if lines else told, 0.0


def _mention(line: str) -> None:
    """Writes a line, unless that would wait: a launcher that has stopped does not read its workers' output."""
    if select.select([], [sys.stdout], [], 0)[1]:
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), line.encode())


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
