"""The registry of models: versions that appear and go as a whole, and channels that name one of them each."""

from components.registry.layout import (
    CARD,
    POINTER,
    PRODUCTION,
    card_uri,
    channel_uri,
    models_uri_of,
    version_uri,
)
from components.registry.promotion import move_production, read_production, require_production, rollback

__all__ = [
    "CARD",
    "POINTER",
    "PRODUCTION",
    "card_uri",
    "channel_uri",
    "models_uri_of",
    "move_production",
    "read_production",
    "require_production",
    "rollback",
    "version_uri",
]
