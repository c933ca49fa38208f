"""A change of a source, and how it stands: what starting a run takes and gives."""

import dataclasses
import datetime
from enum import StrEnum

from components.contracts import Trigger, TriggerAttempt


class Standing(StrEnum):
    """How a change stands after a call."""

    STARTED = "started"  # by this call
    RUNNING = "running"
    WAITS = "waits"
    ANSWERED = "answered"
    GIVEN_UP = "given-up"


@dataclasses.dataclass(frozen=True)
class Change:
    """What there is to be run; the attributes are those of Trigger.

    Attributes:
      pipeline: Name of the pipeline, with which the names of its runs begin.
      reasons: Why it should be run, in words.
    """

    key: str
    source_uri: str
    fingerprint: str
    pipeline: str
    pipeline_sha256: str
    pipeline_version: str
    parameters: dict[str, object]
    num_tiles: int
    reasons: tuple[str, ...]

    def trigger(self, attempts: tuple[TriggerAttempt, ...]) -> Trigger:
        """Returns what is written down of the change, with these attempts."""
        return Trigger(
            key=self.key,
            source_uri=self.source_uri,
            fingerprint=self.fingerprint,
            pipeline_sha256=self.pipeline_sha256,
            pipeline_version=self.pipeline_version,
            parameters=self.parameters,
            num_tiles=self.num_tiles,
            attempts=attempts,
        )


@dataclasses.dataclass(frozen=True)
class Stand:
    """How a change stands, and why.

    Attributes:
      run_id: Of its last run; empty if there is none.
      attempt: Number of the last attempt.
      why: In one line.
      until: When to call again, if that is known.
    """

    standing: Standing
    run_id: str
    attempt: int
    why: str
    until: datetime.datetime | None = None
