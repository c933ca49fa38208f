"""What an evaluation says of a model's probabilities: how they follow from its logits, and when "no" is safe to say."""

from typing import Annotated, TypeAlias

import msgspec

Interval: TypeAlias = tuple[float, float]
Probability: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
# What float32, in which a model computes, can hold. A slope is at least what scoring/calibration.py rounds it to.
_Slope: TypeAlias = Annotated[float, msgspec.Meta(ge=1e-4, le=1e38)]
_Offset: TypeAlias = Annotated[float, msgspec.Meta(ge=-1e38, le=1e38)]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What turns logits into probabilities, see components/scoring/calibration.py; by class, in class-list order.

    Empty in a document of an earlier version, whose model takes its logits as they are.

    Attributes:
      slopes: At least 1e-4.
      offsets: In log-odds.
    """

    slopes: tuple[_Slope, ...] = ()
    offsets: tuple[_Offset, ...] = ()


class ClassReliability(msgspec.Struct, frozen=True, kw_only=True):
    """How far the probabilities of one class can be taken at their word, on the test split; see reliability.py.

    Attributes:
      ece_before, ece: The expected calibration error without and with calibration, in 0..1.
      brier_before, brier: The Brier score without and with it, in 0..1.
    """

    ece_before: float
    ece: float
    brier_before: float
    brier: float


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """The same of all classes; the totals are means over the classes that have support."""

    ece_before: float
    ece: float
    brier_before: float
    brier: float
    per_class: dict[str, ClassReliability]


class ClassNotSure(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the answers "no" and "not sure" of one class, on the test split.

    Attributes:
      miss_rate: The mean, over the fields that have the class, of the share of a field's tiles with it that got "no".
      miss_interval: The 95 % interval of it.
      num_fields: These fields; without any, the rate says nothing.
      share: The share of all tiles that got "not sure", in 0..1.
    """

    miss_rate: float = 0.0
    miss_interval: Interval = (0.0, 1.0)
    num_fields: int = 0
    share: float = 0.0


class NotSure(msgspec.Struct, frozen=True, kw_only=True):
    """When a model that does not say "yes" says "no", and when "not sure"; see components/scoring/risk_control.py.

    Attributes:
      max_miss_rate: The largest expected miss rate that was asked for, in 0..1.
      low: The lowest probability that is not a "no", by class, in class-list order; 0 if the fields were too few.
      num_val_fields: How many fields of the val split each bound rests on.
      miss_rate: The mean of the miss rates of the classes that the test split has.
      share: The share of "not sure" among the answers to all tiles and classes of the test split.
      per_class: By class name.
    """

    max_miss_rate: float
    low: tuple[Probability, ...]
    num_val_fields: tuple[int, ...]
    miss_rate: float = 0.0
    share: float = 0.0
    per_class: dict[str, ClassNotSure] = msgspec.field(default_factory=dict)
