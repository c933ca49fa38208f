"""Finds the version that a user means, and its ancestors; also one whose card is gone."""

from components import storage
from components.errors import DataError, SettingsError
from components.lineage.ancestors import Ancestors, read_ancestors
from components.registry.layout import card_uri, models_uri_of, state_uri
from components.registry.summaries import version_of
from components.safe_path import path_fault


def ancestors_of(models_uri: str, name: str, data_root: str) -> Ancestors:
    """Returns the ancestors of a version, which may be named by a channel.

    Raises:
      SettingsError: if there is neither such a version nor such a channel.
      DataError: if the version's card is gone or cannot be read.
    """
    models_uri = models_uri_of(models_uri)
    try:
        version = version_of(models_uri, name)
    except SettingsError:
        # A version that was once in a channel has a state, whatever became of its card.
        if path_fault(name) or "/" in name or not storage.exists(state_uri(models_uri, name)):
            raise
        version = name
    try:
        return read_ancestors(models_uri, version, data_root)
    except FileNotFoundError as error:
        raise DataError(f"{card_uri(models_uri, version)!r} is missing; restore it, or push the model again") from error
