"""Moves a channel to a version: a push, a promotion, or a rollback."""

import msgspec

from components.contracts import Channel
from components.contracts.registry import Action, Use
from components.errors import DataError, SettingsError
from components.registry.channels import lost_race, move_channel, new_move, read_channel
from components.registry.layout import PRODUCTION, models_uri_of, read_card
from components.registry.licence import require_allowed
from components.registry.pins import pin, require_kept


def read_production(models_uri: str) -> tuple[Channel | None, str | None]:
    """Returns what is in production, or None, and the token that move_production takes.

    Raises:
      DataError: if the pointer cannot be read.
    """
    return read_channel(models_uri, PRODUCTION)


def require_production(models_uri: str, version: str | None, production: Channel | None) -> None:
    """Checks that production is still the version that the model was evaluated against.

    Raises:
      AgrivisionError: if another push won.
    """
    current = production.version if production else None
    if current != version:
        raise lost_race(models_uri, PRODUCTION, _as_channel(version), production)


def move_production(models_uri: str, version: str, before: Channel | None, token: str | None, why: str = "") -> None:
    """Points production at `version`, which must already be published, if `token` is still current.

    Args:
      why: The gate's reason.

    Raises:
      SettingsError: if the version has been removed.
      AgrivisionError: if `token` is not current: another push won.
    """
    _move(models_uri, PRODUCTION, _moved(before, Action.PUSH, version, why), before, token)


def promote(models_uri: str, version: str, channel: str, why: str = "") -> str:
    """Points a channel at a version that is there; returns a line for the log.

    Args:
      models_uri: As models_uri_of takes it.

    Raises:
      SettingsError: if there is no such version, it serves already, or its licence does not allow the channel.
      DataError: if the version's card cannot be read.
      AgrivisionError: if somebody else moved the channel meanwhile.
    """
    models_uri = models_uri_of(models_uri)
    before, token = read_channel(models_uri, channel)
    card = read_card(models_uri, version)
    require_allowed(card, channel, before)
    if before is not None and before.version == version:
        raise SettingsError(f"{channel} in {models_uri!r} is version {version} already")
    _move(models_uri, channel, _moved(before, Action.PROMOTE, version, why), before, token)
    return _said(channel, version, before)


def rollback(models_uri: str, channel: str = PRODUCTION, why: str = "") -> str:
    """Points a channel at its previous version; returns a line for the log. Each further call goes back by one.

    Args:
      models_uri: As models_uri_of takes it.

    Raises:
      SettingsError: if the channel is empty, or there is no previous version.
      DataError: if the previous version is gone, or its card cannot be read.
      AgrivisionError: if somebody else moved the channel meanwhile.
    """
    models_uri = models_uri_of(models_uri)
    state, token = read_channel(models_uri, channel)
    if state is None or state.version is None:
        raise SettingsError(
            f"nothing is in {channel} in {models_uri!r}; is it the models_uri of a pipeline that pushed?"
        )
    target = state.previous
    if target is None:
        raise SettingsError(f"no version was in {channel} in {models_uri!r} before {state.version}")
    try:
        card = read_card(models_uri, target)
    except SettingsError as error:
        raise DataError(
            f"version {target} is no longer in {models_uri!r}; {channel} stays at {state.version}"
        ) from error
    except DataError as error:
        raise DataError(f"{channel} stays at {state.version}: {error}") from error
    require_allowed(card, channel, state)
    earlier = state.earlier
    after = msgspec.structs.replace(
        state,
        version=target,
        previous=earlier[-1] if earlier else None,
        earlier=earlier[:-1],
        moves=(*state.moves, new_move(Action.ROLLBACK, target, state.version, why)),
    )
    _move(models_uri, channel, after, state, token)
    return _said(channel, target, state)


def mark_use(models_uri: str, channel: str, use: Use, why: str = "") -> str:
    """Says what the models of a channel are used for; returns a line for the log.

    Args:
      models_uri: As models_uri_of takes it.

    Raises:
      SettingsError: if the version that serves does not allow that use.
      AgrivisionError: if somebody else moved the channel meanwhile.
    """
    models_uri = models_uri_of(models_uri)
    before, token = read_channel(models_uri, channel)
    state = before or Channel(version=None)
    after = msgspec.structs.replace(
        state, use=use, moves=(*state.moves, new_move(Action.MARK, state.version, state.version, why or f"use: {use}"))
    )
    if state.version is not None and use == Use.COMMERCIAL:
        require_allowed(read_card(models_uri, state.version), channel, after)
    move_channel(models_uri, channel, before, token, after)
    return f"{channel} is for {'any use' if use == Use.ANY else 'commercial use'}"


def _moved(before: Channel | None, action: Action, version: str, why: str) -> Channel:
    """Returns a channel with one more move, to `version`."""
    state = before or Channel(version=None)
    move = new_move(action, version, state.version, why)
    if state.version is None:
        return msgspec.structs.replace(state, version=version, moves=(*state.moves, move))
    return msgspec.structs.replace(
        state,
        version=version,
        previous=state.version,
        earlier=(*state.earlier, state.previous) if state.previous else state.earlier,
        moves=(*state.moves, move),
    )


def _move(models_uri: str, channel: str, after: Channel, before: Channel | None, token: str | None) -> None:
    assert after.version is not None
    pin(models_uri, after.version, channel)
    move_channel(models_uri, channel, before, token, after)
    require_kept(models_uri, after.version)


def _as_channel(version: str | None) -> Channel | None:
    return None if version is None else Channel(version=version)


def _said(channel: str, version: str, before: Channel | None) -> str:
    return f"{channel} is now {version}" + (f", before it was {before.version}" if before and before.version else "")
