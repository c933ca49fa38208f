"""The settings of `agrivision canary`, each an option of the command."""

import dataclasses

from components.registry import PRODUCTION
from components.setting import check_settings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class CanarySettings:
    """How much must have been seen, and how much worse than the stable version a canary may be.

    Raises:
      SettingsError: if a value is not allowed.
    """

    name: str = setting("agrivision", "Name of the model in the servers' paths.")
    watch_seconds: float = setting(
        0.0,
        "Count only what is answered in so many seconds from now; 0 counts all since the servers began.",
        at_least=0.0,
        at_most=86_400,
    )
    min_requests: int = setting(
        500, "Requests that each version must have answered before anything is decided.", at_least=100
    )
    more_errors: float = setting(
        0.01, "How much larger the canary's share of requests with an error may be.", above=0.0, at_most=1.0
    )
    more_slow: float = setting(
        0.05,
        "How much larger its share of requests may be that take longer than nineteen of twenty of the stable one's.",
        above=0.0,
        at_most=1.0,
    )
    more_drift: float = setting(
        0.1,
        "How much farther the share of a class among its answers may be from that on test than the stable one's.",
        above=0.0,
        at_most=1.0,
    )
    models_uri: str = setting(
        "", "Where to move the channels to what was decided; without it, it is only said.", may_be_empty=True
    )
    channel: str = setting(PRODUCTION, "Channel of the stable version, which a promotion moves to the canary's.")
    canary_channel: str = setting("canary", "Channel of the canary, which a withdrawal moves to the stable version.")

    def __post_init__(self) -> None:
        check_settings(self)
