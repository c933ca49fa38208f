"""evaluate → gate, push: the scores of a model, and of the one in production on the same tiles."""

from typing import Annotated, TypeAlias, get_type_hints

import msgspec

from components.contracts.calibration import Calibration, NotSure, Probability, Reliability
from components.contracts.dense import DenseScores
from components.contracts.document import Document
from components.contracts.names import (
    PathPart,
    PathPartOrEmpty,
    RelativePath,
    RelativePathOrEmpty,
    Sha256,
    Sha256OrEmpty,
)
from components.contracts.weaknesses import LabelDoubts, Robustness, Slices

Interval: TypeAlias = tuple[float, float]


class ClassScores(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one class on the test split, in 0..1; AP and ROC-AUC are 0 where they are undefined.

    Attributes:
      support, num_fields: The tiles that have the class, and their fields.
      intervals: The 95 % interval of each score, by its name; see components/scoring/resamples.py. Empty in a document
        of an earlier version.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    average_precision: float
    roc_auc: float = 0.0
    support: int
    num_fields: int = 0
    intervals: dict[str, Interval] = msgspec.field(default_factory=dict)


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """A model's scores on the test split. Macro averages are over the classes that have support.

    A field with a title is a total: the evaluation report and the metrics of the run show it under that title and name.

    Attributes:
      intervals: The 95 % interval of each total, by its name, as those of ClassScores.
    """

    macro_f1: Annotated[float, msgspec.Meta(title="macro F1")]
    macro_precision: Annotated[float, msgspec.Meta(title="macro precision")]
    macro_recall: Annotated[float, msgspec.Meta(title="macro recall")]
    map: Annotated[float, msgspec.Meta(title="mAP")]
    macro_roc_auc: Annotated[float, msgspec.Meta(title="macro ROC-AUC")] = 0.0
    intervals: dict[str, Interval] = msgspec.field(default_factory=dict)
    per_class: dict[str, ClassScores]

    @classmethod
    def titles(cls) -> dict[str, str]:
        """Returns the titles of all totals, by name."""
        hints = get_type_hints(cls, include_extras=True)
        metas = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
        return {name: meta[0].title for name, meta in metas.items() if meta}


class Evaluation(Document, frozen=True, kw_only=True):
    """evaluate → gate, push: the scores of the new model and of the one in production.

    Attributes:
      num_test_fields: The fields of these tiles; a tile of unknown field is one of its own.
      test_set: Names the test tiles; see components/scoring/field_sums.py. Empty, like the next two, in an
        evaluation of an earlier version.
      fields_path, fields_sha256: What both models did in each field, as components/scoring/field_lines.py writes it,
        under data_root: all that the gate needs.
      thresholds: By class, in class-list order; chosen on val.
      calibration: What turns the model's logits into its probabilities; fitted on val.
      reliability: How far these can be taken at their word, on test; None in an evaluation of an earlier version.
      not_sure: When the model says "not sure"; chosen on val, measured on test. None in an evaluation of an earlier
        version, whose model knows yes and no only.
      predictions_path: `.npz` under data_root: tile_ids, field_ids [N], positions [N] of the records in the split,
        labels [N, C] bool, candidate_logits and candidate [N, C] float32, the latter probabilities, candidate_predicted
        [N, C] bool, candidate_thresholds [C], and, if there is a comparable production model, production,
        production_predicted and production_thresholds.
      predictions_sha256: Of that file; empty in an evaluation of an earlier version.
      sample_path, sample_sha256: The same of the first tiles, without field_ids; empty in an evaluation of an earlier
        version.
      production_version: The version the pointer named then, comparable or not; None if nothing is in production.
      production_training_id: The training that made the production model; empty if unknown.
      production: The production model's scores on the same tiles; None if it was not compared.
      production_note: Why the model in production was not compared; empty if it was, or if there is none.
      slices, robustness, doubts: Where the candidate is weak; None in an evaluation of an earlier version.
      dense: What the candidate says of places; None without a dense head, or in an evaluation of an earlier version.
      production_dense: The same of the model in production, by the thresholds of its own; None if either has no maps.
    """

    training_id: PathPart
    manifest_sha256: Sha256
    num_test_tiles: int
    num_test_fields: int = 0
    test_set: Sha256OrEmpty = ""
    fields_path: RelativePathOrEmpty = ""
    fields_sha256: Sha256OrEmpty = ""
    thresholds: tuple[Probability, ...]
    calibration: Calibration = Calibration()
    reliability: Reliability | None = None
    not_sure: NotSure | None = None
    candidate: Scores
    predictions_path: RelativePath
    predictions_sha256: Sha256OrEmpty = ""
    sample_path: RelativePathOrEmpty = ""
    sample_sha256: Sha256OrEmpty = ""
    production_version: PathPart | None = None
    production_training_id: PathPartOrEmpty = ""
    production: Scores | None = None
    production_note: str = ""
    slices: Slices | None = None
    robustness: Robustness | None = None
    doubts: LabelDoubts | None = None
    dense: DenseScores | None = None
    production_dense: DenseScores | None = None
