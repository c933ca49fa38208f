"""The layout of models_uri: a folder for each pushed version, and the pointer to the version in production."""

from components import storage

CARD = "card.json"
POINTER = "production.json"


def version_uri(models_uri: str, version: str) -> str:
    """Returns the URI of a version's folder."""
    return storage.join(models_uri, "versions", version)


def card_uri(models_uri: str, version: str) -> str:
    """Returns the URI of a version's card, which is written last: a version without a card does not exist."""
    return storage.join(version_uri(models_uri, version), CARD)


def pointer_uri(models_uri: str) -> str:
    """Returns the URI of the pointer to the version in production."""
    return storage.join(models_uri, POINTER)
