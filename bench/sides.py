"""Runs each side of a comparison in its own process, stopped while the other side has its turn.

Otherwise a library that reads ahead would also do so in the other side's turn, and take processor time from it.
"""

import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from bench import pairs
from bench.pairs import Row, Side
from bench.run_settings import Setup

_RATE = "rate of the turn: "  # before the number, because libraries print lines of their own


def compare(name: str, ours: Side, other: Side, setup: Setup, target: float | None, note: str = "") -> Row:
    """Compares like pairs.compare, with each side in its own process; never returns in such a process."""
    if setup.side:
        _serve(ours if setup.side == "ours" else other)
    with _Process("ours") as one, _Process("other") as another:
        sides = Side(ours.what, one.turn), Side(other.what, another.turn)
        return pairs.compare(name, *sides, setup.num_rounds, target, note)


def _serve(side: Side) -> None:
    for _ in sys.stdin:
        print(f"{_RATE}{side.turn()!r}", flush=True)
    os._exit(0)  # some peers' threads and workers would survive a normal exit


class _Process:
    """Another process of this row, for one of its sides."""

    def __init__(self, side: str) -> None:
        self._side = side
        # In its own process group, so that a peer's worker processes stop with it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench", *sys.argv[1:], "--side", side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def turn(self) -> float:
        """Makes the side take a turn and returns its rate."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.killpg(self._process.pid, signal.SIGCONT)
        self._process.stdin.write("turn\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(_RATE):
                os.killpg(self._process.pid, signal.SIGSTOP)
                return float(line.removeprefix(_RATE))
        raise RuntimeError(f"the side {self._side!r} ended with {self._process.wait()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
