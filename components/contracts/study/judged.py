"""What was found of each claim, and its verdict."""

from typing import Final, Literal, TypeAlias

import msgspec

from components.contracts.study.numbers import Count, NotComparable, is_comparable
from components.contracts.study.texts import StudyName, Words

CONFIRMED: Final = "confirmed"
REFUTED: Final = "refuted"
UNDECIDED: Final = "undecided"
NOT_RUN: Final = "not run here"
VerdictWord: TypeAlias = Literal["confirmed", "refuted", "undecided", "not run here"]


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was measured of one claim: two arms of a table, or values, or checks.

    Attributes:
      table, arms: Where its pairs are; the effect is that of the first arm against the second.
      values: By what they are of, e.g. a network.
      checks: Whether something happened.
      not_run: Why nothing could be measured here; None if something was.
      is_measured: Whether a clock or the system told the values, so that the next run has others.
    """

    claim: StudyName
    table: str = ""
    arms: tuple[str, str] | None = None
    values: dict[str, float] = msgspec.field(default_factory=dict)
    checks: dict[str, bool] = msgspec.field(default_factory=dict)
    not_run: Words | None = None
    is_measured: bool = False

    def __post_init__(self) -> None:
        if odd := [name for name, value in self.values.items() if not is_comparable(value)]:
            raise NotComparable(
                f"claim {self.claim}: the value of {odd[0]} must be one that can be compared, got {self.values[odd[0]]}"
            )


class ClaimVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came of a claim.

    Attributes:
      reason: Why, in one sentence.
      estimate, interval: The effect, and its interval at the claim's share of 5 %; None where there is none.
      again, again_interval: The same of A/A.
      num_pairs: Rounds or seeds.
    """

    claim: StudyName
    verdict: VerdictWord
    reason: Words
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    again: float | None = None
    again_interval: tuple[float, float] | None = None
    num_pairs: Count = 0
