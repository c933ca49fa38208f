"""Where a pushed model lies under models_uri: a folder for each version, and the pointer to the one in production."""

from components import storage

CARD = "card.json"
POINTER = "production.json"


def version_uri(models_uri: str, version: str) -> str:
    """Returns the folder of a version."""
    return storage.join(models_uri, "versions", version)


def card_uri(models_uri: str, version: str) -> str:
    """Returns the card of a version, which is written last: a version without one does not exist."""
    return storage.join(version_uri(models_uri, version), CARD)


def pointer_uri(models_uri: str) -> str:
    """Returns the pointer to the version in production."""
    return storage.join(models_uri, POINTER)
