"""The rules by which a claim gets its verdict, by the names that claims.yaml uses.

A claim holds if its effect reaches a bound, the smallest difference that matters. Effects that vary from round to round
or from seed to seed are judged by an interval of their median; what is computed, or either happens or does not, is not.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal, TypeAlias

# What is made of two paired numbers, or that there are none.
Measure: TypeAlias = Literal["ratio", "difference", "values", "checks"]


@dataclasses.dataclass(frozen=True)
class Rule:
    """One way to judge.

    Attributes:
      measure: What the effect is: the median ratio or difference of pairs, each of several values, or a list of what
        has to happen.
      at_least: Whether the effect must be at least the bound, or at most.
      is_timed: Whether each round has a second turn of the first arm (A/A), which shows what is noise.
    """

    measure: Measure
    at_least: bool = True
    is_timed: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether chance is in its verdicts, so that the number of claims must be allowed for."""
        return self.measure in ("ratio", "difference")


RULES: Mapping[str, Rule] = {
    "time_ratio_at_least": Rule("ratio", is_timed=True),
    "time_ratio_at_most": Rule("ratio", at_least=False, is_timed=True),
    "ratio_at_least": Rule("ratio"),
    "ratio_at_most": Rule("ratio", at_least=False),
    "difference_at_least": Rule("difference"),
    "difference_at_most": Rule("difference", at_least=False),
    "values_at_least": Rule("values"),
    "values_at_most": Rule("values", at_least=False),
    "checks": Rule("checks"),
}
