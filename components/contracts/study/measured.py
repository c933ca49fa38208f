"""What arms did and took: the machine, a witness of each arm, and the rounds of a comparison."""

from typing import Any

import msgspec

from components.contracts.names import Sha256
from components.contracts.study.numbers import Count, NotComparable, is_comparable
from components.contracts.study.texts import ArmName, StudyName, Words


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
            if not all(map(is_comparable, values)):
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
