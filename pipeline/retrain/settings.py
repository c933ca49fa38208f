"""The settings of `agrivision retrain`: when there is reason for a run, and how often a run that failed is tried."""

import dataclasses

from components.contracts.runs.triggers import MOST_ATTEMPTS
from components.setting import check_settings, setting
from pipeline.retrain.next_step import RetryRule

_MOST_DAYS = 36_500
_MINUTES_PER_WEEK = 10_080
_MINUTES_PER_DAY = 1_440


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetrainSettings:
    """When to start a run.

    Raises:
      SettingsError: if a value is out of range.
    """

    min_new_tiles: int = setting(1, "Start for so many tiles that are new or have changed files.", at_least=1)
    max_age_days: float = setting(
        0.0,
        "Start if the production model is so many days old; 0 never starts by age.",
        at_least=0,
        at_most=_MOST_DAYS,
    )
    min_class_shift: float = setting(
        0.0,
        "Start if the share of tiles with a class moved by so much, 0 to 1, told from names; 0 never starts by it.",
        at_least=0,
        at_most=1,
    )
    settle_minutes: float = setting(
        0.0,
        "Wait until the source has stayed as it is for so long: somebody may still be writing to it.",
        at_least=0,
        at_most=_MINUTES_PER_WEEK,
    )
    max_attempts: int = setting(
        3, "Runs of one change, if they fail; the first counts.", at_least=1, at_most=MOST_ATTEMPTS
    )
    retry_minutes: float = setting(
        10.0,
        "Minutes after a failed run until the next may start; doubles each time, up to a day.",
        at_least=0,
        at_most=_MINUTES_PER_DAY,
    )

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def retry(self) -> RetryRule:
        """How often a change whose run failed is run again, and when."""
        return RetryRule(self.max_attempts, self.retry_minutes)
