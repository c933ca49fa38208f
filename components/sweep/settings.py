"""SweepSettings: how many trials, seeds and rungs a sweep has, and what it varies."""

import dataclasses
from typing import Any

from components.setting import check_settings, setting

SEARCH, OPTIONS = "sweep_search", "sweep_options"  # objects of the run form
MOST_RUNGS = 3  # the compiled pipeline has a loop for each
PREFIX = "sweep_"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """What a sweep tries, and how thoroughly.

    Raises:
      SettingsError: If a value is out of range.
    """

    search: dict[str, Any] = setting(
        {},
        "What to vary: keys of train_config, each with a list of values, or a range such as "
        '{"low": 0.0001, "high": 0.01, "log": true}.',
    )
    num_trials: int = setting(
        8,
        "Number of trials at most. A space of fewer combinations is tried as a whole; powers of two cover ranges best.",
        group=OPTIONS,
        at_least=1,
        at_most=64,
    )
    num_seeds: int = setting(
        2,
        "Trainings of each trial, with different seeds; their spread tells differences from luck.",
        group=OPTIONS,
        at_least=1,
        at_most=10,
    )
    num_rungs: int = setting(
        2,
        "Rungs of successive halving: all trials train for a few epochs, and the best of each rung for more. 1 trains "
        "every trial to the end.",
        group=OPTIONS,
        at_least=1,
        at_most=MOST_RUNGS,
    )
    reduction: int = setting(
        3,
        "One in this many trials goes on to the next rung, with this many times the epochs.",
        group=OPTIONS,
        at_least=2,
        at_most=10,
    )
    seed: int = setting(
        0, "Seed of the values that are drawn from ranges; another one tries other values.", group=OPTIONS, at_least=0
    )

    def __post_init__(self) -> None:
        check_settings(self, PREFIX)
