"""What a study measured, and what follows from it: raw rounds, witnesses, verdicts."""

from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import Sha256
from components.printable import printable

STUDY_NAME_PATTERN = r"\A[a-z][a-z0-9_]*\Z"
StudyName: TypeAlias = Annotated[str, msgspec.Meta(pattern=STUDY_NAME_PATTERN, max_length=60)]
ArmName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_ .]*\Z", max_length=60)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]

CONFIRMED: Final = "confirmed"
REFUTED: Final = "refuted"
UNDECIDED: Final = "undecided"
NOT_RUN: Final = "not run here"
_LARGEST = 1e150  # so that a float can hold the ratio of any two numbers
VerdictWord: TypeAlias = Literal["confirmed", "refuted", "undecided", "not run here"]


class NotComparable(ValueError):
    """A number that was measured is none, or so large or small that no ratio or difference with it can be made."""


def _is_comparable(value: float) -> bool:
    """Tells whether ratios and differences of such numbers are finite."""
    return value == 0 or 1 / _LARGEST <= abs(value) <= _LARGEST


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same text in both languages of the study."""

    english: str
    spanish: str

    def __post_init__(self) -> None:
        for language, text in (("english", self.english), ("spanish", self.spanish)):
            if not text.strip():
                raise ValueError(f"{language} must not be empty")
            if printable(text) != text:
                raise ValueError(f"{language} must be printable and on one line, got '{printable(text)}'")


class Witness(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an arm really did, so that what its settings promise need not be believed.

    Attributes:
      dataset, machine: The tiles that it read and the machine that it ran on, as in its settings.
      order: Digest of the tiles' names and labels in the order in which steps saw them.
      batches: Digest of the pixels and labels that went into the steps.
      reads_same_pixels: Whether the arm's decoder gives the pixels that the project's own does. Arms that do must have
        equal batches.
      initial_weights: Digest of the weights before the first step.
      num_updates: Steps that changed the weights.
      num_tiles_read: Tiles that went into these; None in results of versions that did not count them.
      input_shape: Of one tile in a batch: height, width, bands.
      input_dtype: Of a batch.
      losses: The loss of each step, as Python's float.hex, which loses no bit.
    """

    dataset: Sha256
    machine: Sha256
    order: Sha256
    batches: Sha256
    reads_same_pixels: bool
    initial_weights: Sha256
    num_updates: Count
    input_shape: tuple[Count, Count, Count]
    input_dtype: str
    losses: tuple[str, ...]
    num_tiles_read: Count | None = None


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The machine that measured, without its name or address.

    Attributes:
      num_cores: Processor cores that the study may use.
      memory_bytes: Memory of the machine, to the next 64 MiB.
      accelerators: Their models; empty if there are none.
    """

    cpu: str
    num_cores: Count
    memory_bytes: Count
    system: str
    python: str
    tensorflow: str
    accelerators: tuple[str, ...] = ()


class RoundTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rounds of one comparison.

    Attributes:
      factor: What its arms differ in.
      unit: Of the numbers, e.g. "s".
      num_planned: Rounds that were planned before the first.
      seed: Of the order of turns.
      arms: The arms that ran.
      settings: Of each arm, all that it was told.
      has_again: Whether each round ends with the number of a second turn of the first arm (A/A).
      rounds: For each round (or seed), a number of each arm, and that of A/A.
      witnesses: By arm.
      not_run: The arms that could not run here, each with the reason.
      is_measured: Whether a clock or the system told the numbers, so that the next run has others. Of a table with A/A
        they are in any case: nothing else needs a second turn.
    """

    name: StudyName
    factor: str
    unit: str
    num_planned: Count
    seed: int
    arms: tuple[ArmName, ...]
    has_again: bool
    rounds: tuple[tuple[float, ...], ...]
    settings: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    witnesses: dict[str, Witness] = msgspec.field(default_factory=dict)
    not_run: dict[str, Words] = msgspec.field(default_factory=dict)
    is_measured: bool = False

    def __post_init__(self) -> None:
        width = len(self.arms) + self.has_again
        if self.has_again and not self.arms:
            raise ValueError(f"table {self.name}: A/A needs an arm")
        if len({*self.arms}) < len(self.arms):
            raise ValueError(f"table {self.name}: an arm is named twice")
        for number, values in enumerate(self.rounds, 1):
            if len(values) != width:
                raise ValueError(f"table {self.name}: round {number} must have {width} numbers, got {len(values)}")
            if not all(map(_is_comparable, values)):
                raise NotComparable(
                    f"table {self.name}: round {number} must have numbers that can be compared, got {values}"
                )

    def pairs(self, first: str, second: str) -> list[tuple[float, float]]:
        """Returns the numbers of two arms by round."""
        left, right = self.arms.index(first), self.arms.index(second)
        return [(values[left], values[right]) for values in self.rounds]

    def again_pairs(self) -> list[tuple[float, float]]:
        """Returns the second turn and the first turn of the first arm by round; empty without A/A."""
        return [(values[-1], values[0]) for values in self.rounds] if self.has_again else []

    @property
    def repeats(self) -> bool:
        """Whether the next run has the same numbers."""
        return not (self.is_measured or self.has_again)


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
        if odd := [name for name, value in self.values.items() if not _is_comparable(value)]:
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


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number for each pair of two things, e.g. of delay and learning rate: what the page shows as a heat map.

    Attributes:
      row_title, column_title: What rows and columns are.
      rows, columns: Their names, in order.
      values: By row and column; None for what was not run here.
      has_one_unit: Whether all numbers are of one unit. Only then do shades say anything.
      is_measured: Whether a clock or the system told them, so that the next run has others.
    """

    name: StudyName
    title: Words
    unit: str
    row_title: Words
    column_title: Words
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    has_one_unit: bool = True
    is_measured: bool = False

    def __post_init__(self) -> None:
        if len(self.values) != len(self.rows) or any(len(row) != len(self.columns) for row in self.values):
            raise ValueError(f"matrix {self.name} must have {len(self.rows)} rows of {len(self.columns)} numbers")
        if not all(value is None or _is_comparable(value) for row in self.values for value in row):
            raise NotComparable(f"matrix {self.name} must have numbers that can be compared, got {self.values}")


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Numbers that follow another one, e.g. loss by epoch, with a band if there is one.

    Attributes:
      name: Of the line.
      figure: Lines of one name are shown in one figure, which `title` describes.
      x, y: The line's points.
      low, high: Ends of the band at each point; empty without one.
      is_measured: Whether a clock or the system told y, low and high, so that the next run has others.
    """

    name: str
    figure: StudyName
    title: Words
    x_title: Words
    y_title: Words
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    is_measured: bool = False

    def __post_init__(self) -> None:
        if any(len(ends) not in {0, len(self.x)} for ends in (self.low, self.high)) or len(self.y) != len(self.x):
            raise ValueError(f"curve {self.name} must have as many numbers as points, {len(self.x)}")
        if not all(map(_is_comparable, (*self.x, *self.y, *self.low, *self.high))):
            raise NotComparable(f"curve {self.name} must have numbers that can be compared")


class StudyResult(Document, frozen=True, kw_only=True):
    """All that a study measured, raw, and its verdicts.

    Attributes:
      claims_sha256: The claims that it was measured for, fixed before.
      preset: The size of the study, e.g. "laptop".
      findings: One for each claim.
      verdicts: One for each claim, which follow from the rest.
      matrices, curves: What the page shows besides; no verdict depends on them.
    """

    way_out: ClassVar[str] = "restore it, or run the study again"

    format_version: int = FORMAT_VERSION
    claims_sha256: Sha256
    preset: StudyName
    machine: Machine
    tables: tuple[RoundTable, ...]
    findings: tuple[Finding, ...]
    verdicts: tuple[ClaimVerdict, ...]
    matrices: tuple[Matrix, ...] = ()
    curves: tuple[Curve, ...] = ()


class StudyPart(Document, frozen=True, kw_only=True):
    """What one experiment found, kept until the study is whole.

    Attributes:
      code_sha256: The code that measured; see components/study/running/kept_parts.py.
      findings: One for each claim that the experiment is about.
      matrices, curves: As in StudyResult.
    """

    way_out: ClassVar[str] = "remove it, and run the experiment again"

    format_version: int = FORMAT_VERSION
    experiment: StudyName
    claims_sha256: Sha256
    code_sha256: Sha256
    preset: StudyName
    machine: Machine
    findings: tuple[Finding, ...]
    tables: tuple[RoundTable, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    curves: tuple[Curve, ...] = ()


class StudyParts(Document, frozen=True, kw_only=True):
    """What the experiments of a study have found so far, in the order in which they ran."""

    way_out: ClassVar[str] = "run the study again"

    format_version: int = FORMAT_VERSION
    preset: StudyName
    parts: tuple[StudyPart, ...] = ()
