"""Compares two sides, each in its own process, which is stopped while the other side has its turn."""

import sys

from bench import pairs
from bench.pairs import Row, Side
from bench.run_settings import Setup
from components.measuring.stopped_process import StoppedProcess, answer_questions

_TURN = "turn"


def compare(name: str, ours: Side, other: Side, setup: Setup, target: float | None, note: str = "") -> Row:
    """Compares like pairs.compare, with each side in its own process; never returns in such a process."""
    if setup.side:
        answer_questions({_TURN: (ours if setup.side == "ours" else other).turn})
    with _process("ours") as one, _process("other") as another:
        sides = Side(ours.what, lambda: one.ask(_TURN)), Side(other.what, lambda: another.ask(_TURN))
        return pairs.compare(name, *sides, setup.num_rounds, target, note)


def _process(side: str) -> StoppedProcess:
    return StoppedProcess(f"the side {side!r}", [sys.executable, "-m", "bench", *sys.argv[1:], "--side", side])
