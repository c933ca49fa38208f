"""What the protocol of one run per change asks of whatever runs the pipeline."""

import dataclasses
from enum import IntEnum
from typing import Protocol

from components.contracts import RunOutcome


class RunState(IntEnum):
    """How a run is, the best first: of several runs of one attempt, the best is kept."""

    SUCCEEDED = 0  # also a run that pushes nothing, because the gate refused the model
    LIVE = 1
    FAILED = 2


@dataclasses.dataclass(frozen=True)
class SeenRun:
    """A run of a given name.

    Attributes:
      created_at: When it was made, as seconds since 1970.
    """

    run_id: str
    created_at: float
    state: RunState


@dataclasses.dataclass(frozen=True)
class RunEnding:
    """How a run has ended, and why, in one line."""

    outcome: RunOutcome
    message: str


class Runs(Protocol):
    """Starts runs and tells of them. All but `create` is safe to repeat."""

    def prepare(self, fingerprint: str) -> None:
        """Does all that can be done before a run is started, and that others do not notice.

        Args:
          fingerprint: Of the source that the run is to read.

        Raises:
          AgrivisionError: if no run could be started.
        """

    def find(self, name: str) -> list[SeenRun]:
        """Returns all runs of a name, in no particular order. One that was just started may be missing.

        Raises:
          UnreachableError: if the server does not answer.
        """

    def create(self, name: str) -> str:
        """Starts a run and returns its id.

        Raises:
          UnreachableError: if it is not known whether a run was started.
          AgrivisionError: if none was.
        """

    def terminate(self, run_id: str) -> None:
        """Ends a run, unless it has ended.

        Raises:
          AgrivisionError: if that is not possible.
        """

    def ending(self, run_id: str) -> RunEnding | None:
        """Returns how a run has ended; None if it goes on.

        Raises:
          AgrivisionError: if the server does not tell.
        """

    def page(self, run_id: str) -> str:
        """Returns where a person can look at a run; empty for nowhere."""


def best_of(seen: list[SeenRun]) -> SeenRun:
    """Returns the run to keep; everybody who sees the same runs keeps the same one."""
    return min(seen, key=lambda run: (run.state, run.created_at, run.run_id))
