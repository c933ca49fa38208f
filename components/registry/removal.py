"""Removes a version, unless a channel names it or its history did so lately."""

import datetime

from components import storage
from components.contracts import VersionState
from components.contracts.registry import Action, Move, Presence
from components.errors import SettingsError
from components.registry.channels import all_moves, new_move, read_channel, timestamp
from components.registry.layout import CARD, card_uri, channel_names, models_uri_of, version_uri
from components.registry.pins import gone, mark_removing, read_state
from components.safe_path import path_fault
from components.storage import whole_folder

RETENTION_DAYS = 90
MOST_RETENTION_DAYS = 36_500
_PIN_SECONDS = 3_600  # within which whoever pinned a version has moved its channel, or given up


def remove_version(models_uri: str, version: str, why: str = "", retention_days: int = RETENTION_DAYS) -> str:
    """Removes a version; returns a line for the log. One that was interrupted is brought to its end.

    Args:
      models_uri: As models_uri_of takes it.
      retention_days: A version that a channel has named within as many days stays; at most MOST_RETENTION_DAYS.

    Raises:
      SettingsError: if there is no such version, a channel names it, or did so within the retention, or that is too
        long.
      DataError: if a channel cannot be read, so that nobody knows what it names.
      AgrivisionError: if somebody promotes or removes it at the same time.
    """
    models_uri = models_uri_of(models_uri)
    if retention_days > MOST_RETENTION_DAYS:
        raise SettingsError(f"the retention must be at most {MOST_RETENTION_DAYS:,} days, got {retention_days:,}")
    now = datetime.datetime.now(datetime.UTC)
    if "/" in version or path_fault(version):
        raise _no_version(models_uri, version)
    state, token = read_state(models_uri, version)
    _require_unnamed(models_uri, version)
    if state.presence != Presence.REMOVING:
        if not storage.exists(card_uri(models_uri, version)):
            raise _no_version(models_uri, version)
        _require_unused(models_uri, version, state, now, retention_days)
        mark_removing(models_uri, version, state, token, new_move(Action.REMOVE, None, version, why, now))
    whole_folder.remove(version_uri(models_uri, version), last=CARD)
    gone(models_uri, version)
    return f"version {version} is removed from {models_uri!r}"


def _no_version(models_uri: str, version: str) -> SettingsError:
    return SettingsError(
        f"no version {version!r} in {models_uri!r}; `agrivision models list` shows those that are there"
    )


def _require_unnamed(models_uri: str, version: str) -> None:
    """Checks that no channel names a version, as one may whose promotion met its removal."""
    for name in channel_names(models_uri):
        channel, _ = read_channel(models_uri, name)
        if channel is not None and version == channel.version:
            raise SettingsError(f"version {version} is in {name}; promote another one before")


def _require_unused(
    models_uri: str, version: str, state: VersionState, now: datetime.datetime, retention_days: int
) -> None:
    oldest_kept = timestamp(now - datetime.timedelta(days=retention_days))
    oldest_pin, newest_pin = (timestamp(now + sign * datetime.timedelta(seconds=_PIN_SECONDS)) for sign in (-1, 1))
    for name in channel_names(models_uri):
        channel, _ = read_channel(models_uri, name)
        if channel is None:  # removed meanwhile
            continue
        if version == channel.previous:
            raise SettingsError(
                f"version {version} is what a rollback of {name} returns to; it stays until {name} has moved once more"
            )
        named = _latest(all_moves(models_uri, name, channel), version)
        if named is not None and named.at > oldest_kept:
            raise SettingsError(
                f"{name} named version {version} until {named.at}, within the last {retention_days} days; wait, or "
                "lower --retention-days"
            )
    # A pin from further ahead than clocks differ was not made by a promotion, and would keep the version for ever.
    if young := [each for each in state.pins if oldest_pin < each.at < newest_pin]:
        raise SettingsError(
            f"version {version} was about to be promoted to {young[-1].channel} at {young[-1].at}; try again in an hour"
        )


def _latest(moves: list[Move], version: str) -> Move | None:
    """Returns the move after which a version was no longer named, or by which it was; None if it never was."""
    return next((move for move in reversed(moves) if version in (move.version, move.before)), None)
