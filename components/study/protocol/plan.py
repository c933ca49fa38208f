"""What is fixed before anything is measured."""

import dataclasses

from components.measuring.median_interval import fewest_values
from components.setting import check_settings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The rounds of a comparison. Whoever chooses their number later, looking at results, finds what pleases."""

    num_rounds: int = setting(31, "Rounds of a comparison; each arm has a turn in each.", at_least=1)
    seed: int = setting(20_200_615, "Seed of the order of turns.", at_least=0)

    def __post_init__(self) -> None:
        check_settings(self, "study_")

    def shortfall(self, alpha: float) -> str:
        """Returns why these rounds can decide nothing, to be said before they are measured; empty if they can.

        Args:
          alpha: The probability that a claim's interval may miss.
        """
        fewest = fewest_values(alpha)
        if self.num_rounds >= fewest:
            return ""
        return (
            f"study_num_rounds is {self.num_rounds}, and an interval of {100 * (1 - alpha):.4g} % needs at least "
            f"{fewest}: all claims with intervals will be undecided"
        )
