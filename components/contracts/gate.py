"""gate → push: the decision about a model, and the ledger of what a test set has been asked."""

from typing import ClassVar, TypeAlias

import msgspec

from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.names import PathPart, PathPartOrEmpty, Sha256, Sha256OrEmpty

# The gate logs these as JSON after this word, for `agrivision submit`, which sees its log and no document.
NUMBERS = "numbers "
IN_LOG = (
    "decision",
    "outcome",
    "training_id",
    "production_version",
    "candidate_macro_f1",
    "candidate_interval",
    "production_macro_f1",
    "difference",
    "p_value",
    "alpha",
    "question",
    "smallest_gain",
    "ece_before",
    "ece",
    "miss_rate",
    "share_not_sure",
    "worst_slice",
    "worst_slice_difference",
    "robustness",
    "num_label_doubts",
    "mean_iou",
    "mean_iou_interval",
)

# A difference, and the low and high ends of its interval.
Difference: TypeAlias = tuple[float, float, float]


class Decision(Document, frozen=True, kw_only=True):
    """gate → push: "push" or "refuse", and why.

    Attributes:
      outcome: "push", or why not: "same_model", "below_floor", "class_lost", "not_better", or "undecidable", where the
        test set has too few fields to tell. Empty in a decision of an earlier version.
      candidate_interval: The 95 % interval of the candidate's macro F1.
      floor, class_floor, mean_iou_floor: The lowest macro F1, F1 of a class, and mean IoU of the maps, at which a model
        is pushed; 0 for none.
      difference: Candidate's macro F1 minus production's. Its interval holds what cannot be ruled out at `alpha` on
        either side: it lies above 0 exactly if `p_value` is at most `alpha`. None if production was not compared, as
        all below.
      class_differences: The same of each class's F1, with 95 % intervals.
      p_value: How likely a difference at least as good is between equally good models.
      alpha: The largest `p_value` at which the candidate counts as better.
      question: How often the test set has been asked, this time included; a repeated decision counts once.
      smallest_gain: The gain of macro F1 that this test set would find in four of five cases.
      test_set: Names the test tiles, and so the ledger.
      ece_before, ece: The candidate's mean expected calibration error, without and with calibration, in 0..1; None for
        an evaluation of an earlier version, as the next two.
      miss_rate, share_not_sure: Its mean miss rate by class, and the share of its answers that were "not sure".
      worst_slice, worst_slice_difference: The part of the test split that is most evidently below the others, and the
        difference, with an interval that holds for all parts; empty and None if no part could be compared.
      robustness: The change of macro F1 by change of the images, e.g. "darkened".
      num_label_doubts: The labels of val and test that it doubts; None for an evaluation of an earlier version.
      mean_iou, mean_iou_interval: The mean IoU of its maps over the pixels of test, with its 95 % interval; None if
        none were judged.
    """

    decision: str
    outcome: str = ""
    reason: str
    floor: float
    class_floor: float = 0.0
    mean_iou_floor: float = 0.0
    training_id: PathPartOrEmpty = ""
    production_version: PathPart | None = None
    candidate_macro_f1: float
    candidate_interval: tuple[float, float] | None = None
    production_macro_f1: float | None = None
    difference: Difference | None = None
    class_differences: dict[str, Difference] = msgspec.field(default_factory=dict)
    p_value: float | None = None
    alpha: float | None = None
    question: int = 0
    smallest_gain: float | None = None
    test_set: Sha256OrEmpty = ""
    ece_before: float | None = None
    ece: float | None = None
    miss_rate: float | None = None
    share_not_sure: float | None = None
    worst_slice: str = ""
    worst_slice_difference: Difference | None = None
    robustness: dict[str, float] = msgspec.field(default_factory=dict)
    num_label_doubts: int | None = None
    mean_iou: float | None = None
    mean_iou_interval: tuple[float, float] | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One candidate that was compared with one version in production, and what came of it; see Decision."""

    training_id: PathPart
    production_version: PathPart
    alpha: float
    p_value: float
    outcome: str
    candidate_macro_f1: float
    production_macro_f1: float


class Ledger(Document, frozen=True, kw_only=True):
    """`gate/<test set>.json` under models_uri: what a test set has been asked, in order."""

    way_out: ClassVar[str] = "restore it, or remove it to count the questions to this test set from 1 again"

    format_version: int = FORMAT_VERSION
    test_set: Sha256
    questions: tuple[Question, ...] = ()
