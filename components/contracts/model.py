"""train → evaluate → gate → push: a model, its scores, and where it went."""

from typing import Annotated, TypeAlias, get_type_hints

import msgspec

from components.contracts.calibration import Calibration, NotSure, Probability, Reliability
from components.contracts.card_facts import DataFacts, Export, Lineage, TrainingFacts
from components.contracts.dense import DenseScores
from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.gate import Decision
from components.contracts.names import (
    PathPart,
    PathPartOrEmpty,
    RelativePath,
    RelativePathOrEmpty,
    Sha256,
    Sha256OrEmpty,
)
from components.contracts.runs.cost import PodSeconds, RunCost
from components.contracts.weaknesses import LabelDoubts, Robustness, Slices, SliceScore


class EpochMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the learning curve; losses are means per tile, val_macro_f1 is at threshold 0.5.

    Attributes:
      val_mean_iou: Mean IoU of a dense head's maps over the pixels of val, background included, in 0..1, as
        components/scoring/overlap_iou.py defines it, at the size of the model's input; None for a head without maps.
      seconds: Duration of training and validation.
      tiles_per_second: Speed of training alone, over all workers, not counting compilation.
      input_wait_share: Share of training time spent waiting for a batch, 0..1, by the worker that waited longest.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_macro_f1: float
    val_mean_iou: float | None = None
    learning_rate: float
    seconds: float
    tiles_per_second: float
    input_wait_share: float = 0.0


class Bottleneck(msgspec.Struct, frozen=True, kw_only=True):
    """What limited a training's speed; see components/train/bottleneck.py.

    Attributes:
      bound_by: "input", "compute", or "unknown" if the workers read their own input.
      input_wait_share: Share of training time spent waiting for a batch, 0..1.
      tiles_per_second: Speed of training alone, over all workers.
      step_seconds: Duration of one step, including the wait for input.
      advice: What to change.
    """

    bound_by: str = "compute"
    input_wait_share: float = 0.0
    tiles_per_second: float = 0.0
    step_seconds: float = 0.0
    advice: str = ""


class TrainingReceipt(Document, frozen=True, kw_only=True):
    """train → evaluate, push: the trained model and how it was made.

    Attributes:
      training_id: Hash of manifest, configuration and training code; names the folder under `training/`.
      model_path: SavedModel under data_root, with the functions that components/train/model/export.py describes.
      files: The sha256 of each file of the SavedModel, by its path in there; empty in a receipt of an earlier version,
        whose model is not loaded.
      config: The complete TrainConfig, as JSON values.
      label_mode: "multi_label" (sigmoid) or "single_label" (softmax).
      ended_by: Why it ended: "epochs" (all are done), "early_stopping", or "max_seconds" or "max_cost"
        (perhaps within an epoch).
      strategy: How the workers trained together, see components/train/settings/strategies.py.
      num_checkpoints: Checkpoints written since the last restart.
      checkpoint_stall_seconds: Longest pause of training for one checkpoint; the writing itself overlaps with training.
      bottleneck: Whether input or compute limited its speed, and what would make it faster.
      max_16_bit: As in the manifest: what an image of 16 bits must be scaled by before the model is asked about it.
      weights_path: What the backbone started from, under data_root, named by its sha256; empty for random weights, or
        in a receipt of an earlier version.
      commit, image: Of the code that trained, and of its workers' pods; empty if unknown, and without pods.
      profile: The node pool that the workers ran on; "laptop" for the processes of one machine, empty in a receipt of
        an earlier version, as are the next two.
      pods: What became of the workers' time, over all attempts of all launches.
      cost: What that cost.
      num_train_tiles, num_val_tiles: Of the dataset.
      reduce_seconds: That workers in lockstep took to add up their gradients once, without computing any; 0 if unknown.
    """

    training_id: PathPart
    manifest_sha256: Sha256
    model_path: RelativePath
    files: dict[RelativePath, Sha256] = msgspec.field(default_factory=dict)
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    label_mode: str
    backbone: str
    image_size_px: int
    num_parameters: int
    num_workers: int
    strategy: str = "one_device"
    num_restarts: int
    ended_by: str = "epochs"
    config: dict[str, str | int | float | bool | None]
    best_epoch: int
    history: tuple[EpochMetrics, ...]
    seconds: float
    num_checkpoints: int = 0
    checkpoint_stall_seconds: float = 0.0
    bottleneck: Bottleneck = Bottleneck()
    profile: PathPartOrEmpty = ""
    pods: PodSeconds = PodSeconds()
    cost: RunCost | None = None
    num_train_tiles: int = 0
    num_val_tiles: int = 0
    reduce_seconds: float = 0.0
    max_16_bit: int | msgspec.UnsetType = msgspec.UNSET
    weights_path: RelativePathOrEmpty = ""
    commit: str = ""
    image: str = ""


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


class PushReceipt(Document, frozen=True, kw_only=True):
    """What push published.

    Attributes:
      previous_version: The version that the pointer named before.
      card_sha256: Of the card that was published; empty in a receipt of an earlier version.
      commit: Of the code that pushed; empty if unknown.
    """

    model_version: PathPart
    model_uri: str
    previous_version: PathPart | None
    card_sha256: Sha256OrEmpty = ""
    commit: str = ""


class ModelCard(Document, frozen=True, kw_only=True):
    """`card.json` beside a published serving model; without it, the version does not exist.

    Attributes:
      version: The model's content version: a hash of weights, graph, configuration, calibration, thresholds, bounds of
        "not sure", and classes.
      files: The sha256 of each file of the SavedModel beside the card, by its path; empty in a card of an earlier
        version, whose model is not loaded.
      attachments: The sha256 of each further file of the version, by its path, e.g. README.md; no model server needs
        them.
      thresholds: Lowest probability at which a class is predicted, in class-list order; unused in single-label mode,
        which predicts the most probable class.
      calibration: What turns the trained model's logits into probabilities, inside this one.
      not_sure: When it says "not sure"; None in a card of an earlier version, whose model knows yes and no only.
      scores: Scores on the test split of the dataset `manifest_sha256`.
      max_16_bit: As in the manifest of that dataset; not stated if it has no image of 16 bits.
      tile_px: Side of the tiles that it was trained on, pixels; 0 if they differ, or in a card of an earlier version.
      stored_px: Side of those tiles as they are stored, which the model's decoder goes by, see
        components/records/model_pixels.py; 0 if they differ, not stated in a card of an earlier version.
      decision: Why it was pushed; None in a card of an earlier version.
      data_licence: Of the data that it was trained on; empty if nobody said.
      worst_slice: The part of the test split where it is most evidently worse than elsewhere; None if it is nowhere
        worse by more than noise.
      robustness: What became of its answers when the images were changed; None in a card of an earlier version.
      dense: What it says of places; None without a dense head, or in a card of an earlier version.
      data, training, lineage, reliability: None in a card of an earlier version.
      weakest: The parts of the test split that are the furthest below the others, the furthest first.
      exports: The same model in other formats, as far as they were asked for.
      usage: How to call the model, by signature.
    """

    format_version: int = FORMAT_VERSION
    version: PathPart
    files: dict[RelativePath, Sha256] = msgspec.field(default_factory=dict)
    attachments: dict[RelativePath, Sha256] = msgspec.field(default_factory=dict)
    training_id: PathPart
    manifest_sha256: Sha256
    backbone: str
    label_mode: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    image_size_px: int
    thresholds: tuple[Probability, ...]
    calibration: Calibration = Calibration()
    not_sure: NotSure | None = None
    config: dict[str, str | int | float | bool | None]
    scores: Scores
    num_test_tiles: int
    max_16_bit: int | msgspec.UnsetType = msgspec.UNSET
    tile_px: int = 0
    stored_px: int | msgspec.UnsetType = msgspec.UNSET
    decision: Decision | None = None
    data_licence: str = ""
    worst_slice: SliceScore | None = None
    robustness: Robustness | None = None
    dense: DenseScores | None = None
    data: DataFacts | None = None
    training: TrainingFacts | None = None
    lineage: Lineage | None = None
    reliability: Reliability | None = None
    weakest: tuple[SliceScore, ...] = ()
    exports: tuple[Export, ...] = ()
    usage: dict[str, str]
