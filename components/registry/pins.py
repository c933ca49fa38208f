"""Pins: how a promotion and a removal of one version, which touch different objects, see each other.

A promotion pins the version before it moves the channel, and a removal marks the version before it deletes anything;
both do so by compare-and-swap on one small object, the version's state. So of two that meet, the second is refused: no
channel ever names a version whose files are being deleted. A pin needs no end: it counts while its channel names the
version, and for an hour, within which whoever made it has moved the channel or given up.
"""

import hashlib
from collections.abc import Callable

import msgspec

from components import storage
from components.contracts import VersionState
from components.contracts.registry import Move, Pin, Presence
from components.errors import AgrivisionError, SettingsError
from components.registry.channels import timestamp
from components.registry.layout import card_uri, state_uri

_MOST_TRIES = 20  # of a swap that others keep winning


def read_state(models_uri: str, version: str) -> tuple[VersionState, str | None]:
    """Returns what became of a version, and the token for a swap; a version without a state is kept, and never pinned.

    Raises:
      DataError: if the state cannot be read.
    """
    uri = state_uri(models_uri, version)
    content, token = storage.read_pointer(uri)
    return (VersionState() if content is None else VersionState.from_json(content, uri)), token


def pin(models_uri: str, version: str, channel: str) -> None:
    """Notes that a channel is about to name a version.

    Raises:
      SettingsError: if the version has been removed, or is being removed.
    """
    # By its first pin: what is written under a version's name later is not what was pushed.
    try:
        card_sha256 = hashlib.sha256(storage.read_bytes(card_uri(models_uri, version))).hexdigest()
    except FileNotFoundError:  # for whoever moves the channel to tell
        card_sha256 = ""

    def pinned(state: VersionState) -> VersionState:
        if state.presence != Presence.KEPT:
            raise SettingsError(_is_removed(models_uri, version, state))
        others = tuple(each for each in state.pins if each.channel != channel)
        pins = (*others, Pin(channel=channel, at=timestamp()))
        return msgspec.structs.replace(state, pins=pins, card_sha256=state.card_sha256 or card_sha256 or msgspec.UNSET)

    _change(models_uri, version, pinned)


def require_kept(models_uri: str, version: str) -> None:
    """Checks that a version has not been removed.

    Raises:
      SettingsError: if it has.
    """
    state, _ = read_state(models_uri, version)
    if state.presence != Presence.KEPT:
        raise SettingsError(_is_removed(models_uri, version, state))


def revive(models_uri: str, version: str) -> None:
    """Lets a removed version exist again, because it is about to be published anew.

    Raises:
      SettingsError: if its removal has not come to its end.
    """

    def revived(state: VersionState) -> VersionState:
        if state.presence == Presence.REMOVING:
            raise SettingsError(_is_removed(models_uri, version, state))
        return VersionState(pins=state.pins)

    if read_state(models_uri, version)[1] is not None:
        _change(models_uri, version, revived)


def mark_removing(models_uri: str, version: str, state: VersionState, token: str | None, removed: Move) -> None:
    """Marks a version as being removed, if its state is still the one that was looked at.

    Raises:
      AgrivisionError: if it is not: somebody pinned it meanwhile.
    """
    marked = msgspec.structs.replace(state, presence=Presence.REMOVING, pins=(), removed=removed)
    try:
        storage.compare_and_swap(state_uri(models_uri, version), token, marked.to_json())
    except storage.Conflict as error:
        raise AgrivisionError(
            f"version {version} in {models_uri!r} is being promoted or removed by somebody else; nothing was removed"
        ) from error


def gone(models_uri: str, version: str) -> None:
    """Notes that a removal has come to its end."""
    _change(models_uri, version, lambda state: msgspec.structs.replace(state, presence=Presence.GONE))


def _change(models_uri: str, version: str, change: Callable[[VersionState], VersionState]) -> None:
    uri = state_uri(models_uri, version)
    for _ in range(_MOST_TRIES):
        state, token = read_state(models_uri, version)
        after = change(state)
        if after == state:
            return
        try:
            storage.compare_and_swap(uri, token, after.to_json())
        except storage.Conflict:
            continue
        return
    raise AgrivisionError(f"{uri!r} is changed by others all the time; try again")


def _is_removed(models_uri: str, version: str, state: VersionState) -> str:
    if state.presence == Presence.REMOVING:
        return (
            f"version {version} in {models_uri!r} is being removed; if nobody is at it any more, run "
            "`agrivision models remove` again"
        )
    by = f" by {state.removed.who} at {state.removed.at}" if state.removed else ""
    return f"version {version} was removed from {models_uri!r}{by}; push it again"
