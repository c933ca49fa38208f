"""An arm in a process of its own, which is stopped between its turns.

An experiment writes a program that sets up one arm and calls `serve_arm`; whoever measures calls `stopped_arm` with its
command line.
"""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, Protocol

import msgspec

from components.contracts.study import Witness
from components.errors import DataError
from components.measuring.stopped_process import StoppedProcess, answer_questions
from components.measuring.turns import Turn
from components.study.arms.arm import Arm

_WITNESS, _TURN = "witness", "turn"


class RunningArm(Protocol):
    """An arm that can be asked for turns."""

    def witness(self) -> Witness:
        """Trains once, untimed, and returns what was done; called before the first turn."""
        ...

    def turn(self) -> float:
        """Runs a turn and returns what it measured, e.g. its seconds: above 0, and the lower the better."""
        ...


class _ArmProcess:
    def __init__(self, process: StoppedProcess) -> None:
        self._process = process

    def witness(self) -> Witness:
        answer = self._process.ask(_WITNESS)
        try:
            return msgspec.convert(answer, Witness)
        except msgspec.ValidationError as error:
            raise DataError(f"{self._process.name} gave no witness: {error}") from error

    def turn(self) -> float:
        answer = self._process.ask(_TURN)
        if not isinstance(answer, int | float) or isinstance(answer, bool) or not 0 < answer < math.inf:
            raise DataError(f"{self._process.name} must answer a turn with a number above 0, got {answer!r}")
        return float(answer)


@contextlib.contextmanager
def stopped_arm(arm: Arm, arguments: Sequence[str], timeout_seconds: float = 3600.0) -> Iterator[RunningArm]:
    """Runs `python <arguments>`, which ends in `serve_arm`, and yields the arm; ends it afterwards."""
    with StoppedProcess(f"the arm {arm.name!r}", [sys.executable, *arguments], timeout_seconds) as process:
        yield _ArmProcess(process)


def serve_arm(witness: Callable[[], Witness], turn: Turn) -> NoReturn:
    """Answers for an arm, in its process."""
    answer_questions({_WITNESS: lambda: msgspec.to_builtins(witness()), _TURN: turn})
