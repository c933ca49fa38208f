"""Where a model is weak: parts of the test split, images that are not as they should be, labels that it doubts."""

from typing import TypeAlias

import msgspec

from components.contracts.names import RelativePath, RelativePathOrEmpty, Sha256OrEmpty

Interval: TypeAlias = tuple[float, float]
# A difference, and the low and high ends of its interval.
Difference: TypeAlias = tuple[float, float, float]


class SliceScore(msgspec.Struct, frozen=True, kw_only=True):
    """The score of one part of the test split; see components/scoring/slices.py.

    Attributes:
      dimension: What the split was divided by, e.g. "NDVI".
      name: The part, e.g. "0.12 to 0.25".
      macro_f1: Over the classes that the part has, and its 95 % interval; None if it has none.
      difference: Macro F1 minus what the other tiles' recall and false alarms would give on this part, over
        `num_classes` classes, with a 95 % interval that holds for all parts at once. None if too few fields tell of it.
      p_value: How likely the largest of all differences is at least this large where there is none.
    """

    dimension: str
    name: str
    num_tiles: int
    num_fields: int
    macro_f1: float | None = None
    interval: Interval | None = None
    difference: Difference | None = None
    p_value: float | None = None
    num_classes: int = 0

    @property
    def title(self) -> str:
        """The part in words, e.g. "NDVI 0.12 to 0.25"."""
        return f"{self.dimension} {self.name}"


class FieldScore(msgspec.Struct, frozen=True, kw_only=True):
    """One field with more or fewer errors than others; see components/scoring/field_spread.py.

    Attributes:
      errors: Classes missed or wrongly found, over all its tiles.
      expected: What the model would get wrong there if the field were like all others.
      excess: How many more a tile than expected, drawn towards 0 by as much as chance explains.
      macro_f1: Over the classes that the field has; None if it has none.
      tiles: The ids of those with the most errors, at most a few.
    """

    field: str
    num_tiles: int
    errors: int
    expected: float
    excess: float
    macro_f1: float | None = None
    tiles: tuple[str, ...] = ()


class FieldSpread(msgspec.Struct, frozen=True, kw_only=True):
    """How much fields differ.

    Attributes:
      errors_per_tile: Of all fields.
      spread: The standard deviation between fields of errors a tile, beyond what chance within them explains.
      times_chance: The variance of the fields' errors, as a multiple of what it would be if tiles erred independently.
      best, worst: The fields with the lowest and highest `excess`, the furthest first.
    """

    num_fields: int
    errors_per_tile: float
    spread: float
    times_chance: float
    best: tuple[FieldScore, ...] = ()
    worst: tuple[FieldScore, ...] = ()


class Slices(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the test split.

    Attributes:
      scores: By dimension, in order.
      num_compared: The parts that have a difference: how many were looked at.
      worst: The position in `scores` of the one that is most evidently below the others; None if none was compared.
      is_worse: Whether its whole interval lies below 0.
      notes: What was left out, and why.
      fields: None if no field has two tiles, or there are too many fields to keep apart.
    """

    scores: tuple[SliceScore, ...] = ()
    num_compared: int = 0
    worst: int | None = None
    is_worse: bool = False
    notes: tuple[str, ...] = ()
    fields: FieldSpread | None = None

    def __post_init__(self) -> None:
        if self.worst is not None and not 0 <= self.worst < len(self.scores):
            raise ValueError(f"worst is {self.worst}, but there are {len(self.scores)} scores")

    @property
    def worst_score(self) -> SliceScore | None:
        """The part named by `worst`."""
        return None if self.worst is None else self.scores[self.worst]


class RobustnessRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the answers when the images were changed.

    Attributes:
      change: A name of components/evaluate/weaknesses/robustness.py, e.g. "darkened".
      meaning: What was done to the images, in words.
      difference: Macro F1 minus that of the unchanged images, with a 95 % interval by field; these are pairs.
      changed_decisions: The share of all decisions, tiles times classes, that are others.
      changed_tiles: The share of tiles with at least one such decision.
    """

    change: str
    meaning: str = ""
    macro_f1: float
    difference: Difference
    changed_decisions: float
    changed_tiles: float


class Robustness(msgspec.Struct, frozen=True, kw_only=True):
    """The candidate's answers to changed images.

    Attributes:
      macro_f1: Of the unchanged images of the same tiles.
      control: The largest change of a probability when the same pixels are encoded anew, which must be next to none.
      rows: Empty if the control differs; then `note` says so.
    """

    num_tiles: int
    num_fields: int
    macro_f1: float
    control: float
    rows: tuple[RobustnessRow, ...] = ()
    note: str = ""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """One label that the model doubts; a line of the list of doubts.

    Attributes:
      has_class: What the label says.
      probability: That the tile has the class, says the model.
      doubt: How likely the label is wrong if the model is right: `probability`, or 1 minus it if the label has it.
      position: Of the tile's record in its split, counted over the shards in order.
      shard, record: The same as a path under data_root, and a number from 0 in there.
    """

    tile_id: str
    field_id: str
    split: str
    class_name: str
    has_class: bool
    probability: float
    doubt: float
    position: int
    shard: RelativePath
    record: int


class LabelDoubts(msgspec.Struct, frozen=True, kw_only=True):
    """The labels that the model doubts, over val and test.

    Attributes:
      path, sha256: The list under data_root, a CSV.
      num_doubts: All that there are; the list has `num_listed` of them.
      of_class: Their number by class: labels that have it, and labels that do not.
      num_tiles: The tiles that were looked at.
      shown: The first few of each class, for pictures.
    """

    path: RelativePathOrEmpty = ""
    sha256: Sha256OrEmpty = ""
    num_doubts: int
    num_listed: int
    num_tiles: int
    of_class: dict[str, tuple[int, int]]
    shown: tuple[Doubt, ...] = ()
