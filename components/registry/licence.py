"""What the licence of the data allows: a model of non-commercial data stays out of commercial channels."""

import re

from components.contracts import Channel, ModelCard
from components.contracts.registry import Use
from components.errors import SettingsError

# SPDX's names of such licences have -NC-, and texts of universities say it in words.
_NON_COMMERCIAL = re.compile(
    r"(?:^|[^a-z])nc(?:$|[^a-z])"
    r"|(?:non|not(?:[\W_]{1,3}for)?|no)[\W_]{0,3}commercial"
    r"|(?:research|academic|education\w*)[\W_]{1,3}(?:use[\W_]{1,3}|purposes?[\W_]{1,3})?only",
    re.IGNORECASE,
)


def is_non_commercial(licence: str) -> bool:
    """Tells whether a licence, by its SPDX name or in words, forbids commercial use, e.g. CC-BY-NC-4.0."""
    return bool(_NON_COMMERCIAL.search(licence))


def require_allowed(card: ModelCard, channel: str, state: Channel | None) -> None:
    """Checks that a model may be put into a channel.

    Raises:
      SettingsError: if the channel is commercial and the licence of the model's data is not.
    """
    if state is not None and state.use == Use.COMMERCIAL and is_non_commercial(card.data_licence):
        raise SettingsError(
            f"channel {channel} is marked commercial, but the data of version {card.version} have the licence "
            f"{card.data_licence!r}; train on other data, or mark the channel for any use"
        )
