"""What a registry of models keeps beside the versions: channels with their history, and what became of a version."""

from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import PathPart, Sha256, UtcTime

# Of a move in a channel's history, from 0. Bounded, because it names a file and is added to.
_MoveNumber: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=10**8)]


class Action(StrEnum):
    """What moved a channel, or removed a version."""

    PUSH = "push"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    MARK = "mark"
    REMOVE = "remove"


class Move(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of a channel's history.

    Attributes:
      at: When, in UTC, as in 2026-01-31T12:00:00Z.
      version, before: What the channel named after it and before it; None for nothing. Equal if only its use changed.
      who: The account and the machine, or the pod.
      why: The gate's reason, or what a person gave as one.
      run: The pipeline run, if it was one.
    """

    at: UtcTime
    action: Action
    version: PathPart | None
    before: PathPart | None = None
    who: str = ""
    why: str = ""
    run: str = ""


class Use(StrEnum):
    """What the models of a channel are used for."""

    ANY = "any"
    COMMERCIAL = "commercial"


class Channel(Document, frozen=True, kw_only=True):
    """The pointer under models_uri that says which version serves: `production.json`, or `channels/<name>.json`.

    Pointer and history are one document, so one compare-and-swap moves both or neither.

    Attributes:
      version: The version that serves, a folder under `versions/`; None before the first.
      previous: The version that a rollback returns to; None for the first.
      earlier: The versions that served before `previous`, oldest first.
      use: A commercial channel takes no model whose data may not be used commercially.
      moves: Its latest history, newest last.
      num_archived: How many older moves lie in the files of `history/<name>/`.
    """

    way_out: ClassVar[str] = "restore it, or remove it to start over with an empty channel"

    format_version: int = FORMAT_VERSION
    version: PathPart | None
    previous: PathPart | None = None
    earlier: tuple[PathPart, ...] = ()
    use: Use = Use.ANY
    moves: tuple[Move, ...] = ()
    num_archived: _MoveNumber = 0


class ArchivedMoves(Document, frozen=True, kw_only=True):
    """Moves that a channel no longer holds itself; `first` is the number of the first, from 0."""

    format_version: int = FORMAT_VERSION
    first: _MoveNumber
    moves: tuple[Move, ...]


class Presence(StrEnum):
    """What became of a version."""

    KEPT = "kept"
    REMOVING = "removing"
    GONE = "gone"


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel that names a version, or is about to; `at` is when it was pinned, as in Move."""

    channel: PathPart
    at: UtcTime


class VersionState(Document, frozen=True, kw_only=True):
    """`states/<version>.json`: lets a removal and a promotion that meet see each other; absent for one never promoted.

    Attributes:
      pins: Channels that name the version. One stays behind if its channel could not be moved.
      removed: Who removed it, when and why; None if nobody did.
      card_sha256: Of the card when a channel was first pointed at it; not stated by an earlier version.
    """

    way_out: ClassVar[str] = "restore it, or remove it if no channel names the version"

    format_version: int = FORMAT_VERSION
    presence: Presence = Presence.KEPT
    pins: tuple[Pin, ...] = ()
    removed: Move | None = None
    card_sha256: Sha256 | msgspec.UnsetType = msgspec.UNSET
