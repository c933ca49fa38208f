"""retrain → retrain, collect: which runs a change of a source has started, and what of a source was seen before."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import Sha256, Sha256OrEmpty, UtcTime

MOST_ATTEMPTS = 100  # that a document may hold; --max-attempts allows fewer

_Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=2000)]
_Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f]{1,250}\Z")]
# As Kubeflow makes one, or empty. It becomes part of the path of a request.
_RunId: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.-]{0,200}\Z")]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class AttemptState(StrEnum):
    """How far an attempt to run a change has come."""

    CLAIMED = "claimed"  # somebody is about to start a run
    STARTED = "started"  # there is a run
    ENDED = "ended"  # the run has ended, or it is known that none was started


class RunOutcome(StrEnum):
    """What came of an attempt that has ended."""

    PUSHED = "pushed"
    REFUSED = "refused"  # by the gate
    FAILED = "failed"
    TERMINATED = "terminated"  # by a person
    UNKNOWN = "unknown"  # the run ended well, but nothing tells whether it pushed
    LOST = "lost"  # the server no longer knows the run
    NOT_STARTED = "not-started"  # the server refused to start it


class TriggerAttempt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attempt to run the pipeline on a change.

    Attributes:
      number: From 1. An attempt without a run may be claimed again under its number.
      claimed_at: When, in UTC.
      expires_at: When somebody else may take over the claim, if no run was started by then.
      by: Names the process that claimed it; two never have the same.
      reasons: Why a run is started, in words.
      run_name: What the run is called, which nothing else is.
      run_id: Of the run; empty until there is one.
      started_at, ended_at: When that became known.
      outcome: None until the attempt has ended.
      message: What went wrong, in a line.
    """

    number: Annotated[int, msgspec.Meta(ge=1, le=MOST_ATTEMPTS)]
    state: AttemptState
    claimed_at: UtcTime
    expires_at: UtcTime
    by: _Name
    reasons: tuple[_Text, ...]
    run_name: _Name
    run_id: _RunId = ""
    started_at: UtcTime | None = None
    ended_at: UtcTime | None = None
    outcome: RunOutcome | None = None
    message: _Text = ""

    def __post_init__(self) -> None:
        """Refuses an attempt that contradicts itself.

        Raises:
          ValueError: says what.
        """
        is_ended = self.state is AttemptState.ENDED
        if is_ended != (self.outcome is not None) or is_ended != (self.ended_at is not None):
            raise ValueError("an attempt has an outcome and a time of its end if, and only if, it has ended")
        has_run = self.state is AttemptState.STARTED or (is_ended and self.outcome is not RunOutcome.NOT_STARTED)
        if has_run != bool(self.run_id) or has_run != (self.started_at is not None):
            raise ValueError("an attempt has a run and a time of its start if, and only if, a run was started")


class Trigger(Document, frozen=True, kw_only=True):
    """`triggers/<key>.json` under data_root: the runs of one change, of which at most one lives or has succeeded.

    Attributes:
      key: sha256 over what makes it another change: fingerprint, pipeline and parameters.
      fingerprint: Of the source, as the inventory has it.
      pipeline_sha256: Of the compiled pipeline; `pipeline_version` is the name of its version.
      parameters: Those of the run that change its result.
      num_tiles: Of the source.
      attempts: Oldest first; only the last may not have ended.
    """

    way_out: ClassVar[str] = "restore it, or remove it to have the change run anew"

    format_version: int = FORMAT_VERSION
    key: Sha256
    source_uri: str
    fingerprint: Sha256
    pipeline_sha256: Sha256
    pipeline_version: _Name
    parameters: dict[str, Any]
    num_tiles: _Count
    attempts: Annotated[tuple[TriggerAttempt, ...], msgspec.Meta(min_length=1, max_length=MOST_ATTEMPTS)]

    def __post_init__(self) -> None:
        """Refuses attempts that cannot follow each other.

        Raises:
          ValueError: says why.
        """
        if [each.number for each in self.attempts] != list(range(1, len(self.attempts) + 1)):
            raise ValueError("attempts must be numbered from 1")
        if any(each.state is not AttemptState.ENDED for each in self.attempts[:-1]):
            raise ValueError("only the last attempt may not have ended")

    @property
    def last(self) -> TriggerAttempt:
        """The last attempt."""
        return self.attempts[-1]


class Surveyed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a listing was found to hold.

    Attributes:
      settings_sha256: Of the settings by which its files were paired.
      fingerprint, num_tiles: As in the inventory.
      manifest_sha256: A dataset that is known to have been made of these tiles; empty if none is.
    """

    settings_sha256: Sha256
    fingerprint: Sha256
    num_tiles: _Count
    manifest_sha256: Sha256OrEmpty = ""


class Sighting(Document, frozen=True, kw_only=True):
    """`triggers/sources/<id>.json` under data_root: how a source was last seen. Only a memory: nothing is lost with it.

    Attributes:
      listing_sha256: Over the path, size and version of every file, also of those that belong to no tile.
      first_seen_at: When the source was first seen like this.
      surveyed: What it holds; None if nobody has looked yet.
    """

    way_out: ClassVar[str] = "remove it; it is made anew"

    format_version: int = FORMAT_VERSION
    source_uri: str
    listing_sha256: Sha256
    num_files: _Count
    first_seen_at: UtcTime
    surveyed: Surveyed | None = None
