"""The layout of models_uri: a folder for each pushed version, and a pointer for each channel."""

import os
import re

from components import storage
from components.contracts import ModelCard
from components.errors import DataError, SettingsError

CARD = "card.json"
POINTER = "production.json"
PRODUCTION = "production"
_VERSIONS, _CHANNELS, _STATES, _HISTORY = "versions", "channels", "states", "history"
_CHANNEL_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


def version_uri(models_uri: str, version: str) -> str:
    """Returns the URI of a version's folder."""
    return storage.join(models_uri, _VERSIONS, version)


def card_uri(models_uri: str, version: str) -> str:
    """Returns the URI of a version's card, which is written last: a version without a card does not exist."""
    return storage.join(version_uri(models_uri, version), CARD)


def state_uri(models_uri: str, version: str) -> str:
    """Returns the URI of what became of a version."""
    return storage.join(models_uri, _STATES, f"{version}.json")


def channel_uri(models_uri: str, channel: str) -> str:
    """Returns the URI of a channel's pointer; that of production lies at the top, where model servers look for it.

    Raises:
      SettingsError: if it cannot be the name of a channel.
    """
    if not _CHANNEL_NAME.fullmatch(channel):
        raise SettingsError(
            f"a channel is named by lower-case letters, digits, - and _, at most 64, got {channel!r}; e.g. staging"
        )
    return storage.join(models_uri, POINTER) if channel == PRODUCTION else _in(models_uri, _CHANNELS, channel)


def history_uri(models_uri: str, channel: str, first: int) -> str:
    """Returns the URI of a file of a channel's older moves."""
    return storage.join(models_uri, _HISTORY, channel, f"{first:08}.json")


def _in(models_uri: str, folder: str, channel: str) -> str:
    return storage.join(models_uri, folder, f"{channel}.json")


def models_uri_of(uri: str) -> str:
    """Returns the models URI that a user means, who may have given the pointer in it or the folder of its versions.

    Raises:
      SettingsError: if it is empty, or a file.
    """
    if not uri:
        raise SettingsError("the models URI is empty; expected the models_uri of a pipeline that pushed")
    for ending in (f"/{POINTER}", f"/{_VERSIONS}", f"/{_VERSIONS}/"):
        uri = uri.removesuffix(ending)
    if not storage.is_remote(uri) and os.path.exists(uri) and not os.path.isdir(uri):
        raise SettingsError(f"{uri!r} is not a folder; expected the models_uri of a pipeline that pushed")
    return uri


def read_card(models_uri: str, version: str) -> ModelCard:
    """Returns a version's card.

    Raises:
      SettingsError: if there is no such version.
      DataError: if its card cannot be read, or is that of another version.
    """
    uri = card_uri(models_uri, version)
    try:
        card = ModelCard.from_json(storage.read_bytes(uri), uri)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SettingsError(
            f"no version {version} in {models_uri!r}; `agrivision models list` shows those that are there"
        ) from error
    if card.version != version:
        raise DataError(f"{uri!r} is the card of version {card.version}; restore it, or remove the version")
    return card


def version_names(models_uri: str) -> list[str]:
    """Returns the versions that exist, sorted."""
    root = storage.join(models_uri, _VERSIONS)
    return sorted(
        path.removesuffix(f"/{CARD}") for path in _names(root) if path.count("/") == 1 and path.endswith(f"/{CARD}")
    )


def channel_names(models_uri: str) -> list[str]:
    """Returns the channels that exist, production first."""
    others = sorted(path.removesuffix(".json") for path in _names(storage.join(models_uri, _CHANNELS)))
    channels = [name for name in others if _CHANNEL_NAME.fullmatch(name) and name != PRODUCTION]
    return [PRODUCTION, *channels] if storage.exists(channel_uri(models_uri, PRODUCTION)) else channels


def _names(root: str) -> list[str]:
    try:
        return [file.path for file in storage.list_files(root)]
    except storage.NoSuchFolder:
        return []
