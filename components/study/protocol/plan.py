"""What is fixed before anything is measured."""

import dataclasses

from components.setting import check_settings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The rounds of a comparison. Whoever chooses their number later, looking at results, finds what pleases."""

    num_rounds: int = setting(31, "Rounds of a comparison; each arm has a turn in each.", at_least=1)
    seed: int = setting(20_200_615, "Seed of the order of turns.", at_least=0)

    def __post_init__(self) -> None:
        check_settings(self, "study_")
