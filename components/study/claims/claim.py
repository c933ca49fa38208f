"""A claim of the original study, and what is to be measured of it."""

import math

import msgspec

from components.contracts.study import StudyName, Words
from components.study.claims.rules import RULES, Rule

EXPERIMENTS = (
    "augmentation",
    "backbones",
    "batch_size",
    "batch_size_time",
    "compression",
    "conversion",
    "cost",
    "devices",
    "epochs",
    "formats",
    "formats_gpu",
    "formats_strategy",
    "hybrid",
    "memory",
    "parallel_sgd",
    "parallel_sgd_time",
    "partitions",
    "scale",
    "strategy",
)
UNITS = ("times", "share", "accuracy", "macro F1", "USD")


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One claim.

    Attributes:
      id: Its name in results.
      experiment: The experiment that measures it.
      where: What part of the original says it.
      claim: The claim in our own words.
      figure: The original's own figures; None if it gives none.
      theirs: The same on the scale of our effect, so that they can be compared.
      shown: What its notebooks show of it.
      effect: What is measured: of a ratio or difference, the first arm and then the second.
      rule: How it is judged, a key of RULES.
      bound: The smallest difference that matters; None for checks.
      unit: Of the effect.
      claimed, control: Of checks: what the claim says will happen, and what must happen for the experiment to mean
        anything.
    """

    id: StudyName
    experiment: str
    where: Words
    claim: Words
    figure: Words | None = None
    theirs: tuple[float, ...] = ()
    shown: Words
    effect: Words
    rule: str
    bound: float | None = None
    unit: str = "times"
    claimed: tuple[StudyName, ...] = ()
    control: tuple[StudyName, ...] = ()

    def __post_init__(self) -> None:
        for name, value, known in (
            ("experiment", self.experiment, EXPERIMENTS),
            ("rule", self.rule, tuple(RULES)),
            ("unit", self.unit, UNITS),
        ):
            if value not in known:
                raise ValueError(f"{self.id}: unknown {name} {value!r}; expected one of {', '.join(known)}")
        measure, checks = RULES[self.rule].measure, [*self.claimed, *self.control]
        if measure == "checks":
            if self.bound is not None or not self.claimed or not self.control or len({*checks}) < len(checks):
                raise ValueError(f"{self.id}: rule checks needs claimed and control, each name once, and no bound")
        elif checks:
            raise ValueError(f"{self.id}: rule {self.rule} has a bound, not claimed and control")
        elif self.bound is None or not math.isfinite(self.bound):
            raise ValueError(f"{self.id}: rule {self.rule} needs a bound that is a number, got {self.bound}")
        elif measure == "ratio" and self.bound <= 0:
            raise ValueError(f"{self.id}: the bound of a ratio must be above 0, got {self.bound:g}")
        if not all(map(math.isfinite, self.theirs)):
            raise ValueError(f"{self.id}: theirs must be numbers, got {self.theirs}")
        if bool(self.theirs) and self.figure is None:
            raise ValueError(f"{self.id}: theirs must come with the figure in words")

    @property
    def how_judged(self) -> Rule:
        """Its rule."""
        return RULES[self.rule]
