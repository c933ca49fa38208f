"""train → evaluate → gate → push: a model, its scores, the decision about it, and where it went."""

from typing import ClassVar

import msgspec

from components.contracts.document import FORMAT_VERSION, Document


class EpochMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the learning curve; losses are means per tile, val_macro_f1 is at threshold 0.5.

    Attributes:
      seconds: Of training and validation.
      tiles_per_second: Of training alone, over all workers, without what was compiled.
      input_wait_share: Share of the training's time spent waiting for a batch, 0..1, at the worker that waited longest.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_macro_f1: float
    learning_rate: float
    seconds: float
    tiles_per_second: float
    input_wait_share: float = 0.0


class Bottleneck(msgspec.Struct, frozen=True, kw_only=True):
    """What held a training up, see components/train/bottleneck.py.

    Attributes:
      bound_by: "input", "compute", or "unknown" where the workers read by themselves.
      input_wait_share: Share of the training's time spent waiting for a batch, 0..1.
      tiles_per_second: Of training alone, over all workers.
      step_seconds: Of one step, waiting included.
      advice: What to change.
    """

    bound_by: str = "compute"
    input_wait_share: float = 0.0
    tiles_per_second: float = 0.0
    step_seconds: float = 0.0
    advice: str = ""


class TrainingReceipt(Document, frozen=True, kw_only=True):
    """train → evaluate, push: the trained model and how it came about.

    Attributes:
      training_id: Hash of manifest, configuration and training code; names the folder under `training/`.
      model_path: SavedModel under data_root, with the functions that components/train/export.py describes.
      config: The complete TrainConfig, as JSON values.
      label_mode: "multi_label" (sigmoid) or "single_label" (softmax).
      ended_by: What ended it: "epochs", all of them done; "early_stopping"; or "max_seconds", perhaps within an epoch.
      strategy: How the workers trained together, see components/train/strategies.py.
      num_checkpoints: Written since the last restart.
      checkpoint_stall_seconds: The longest that training stood still for one of them; they are written meanwhile.
      bottleneck: Whether input or compute held it up, and what would make it faster.
    """

    training_id: str
    manifest_sha256: str
    model_path: str
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


class ClassScores(msgspec.Struct, frozen=True, kw_only=True):
    """One class on the test split; all but `support` (tiles) in 0..1. AP is 0 where support is 0."""

    threshold: float
    precision: float
    recall: float
    f1: float
    average_precision: float
    support: int


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """A model on the test split. Macro averages are over the classes that have support."""

    macro_f1: float
    macro_precision: float
    macro_recall: float
    map: float
    per_class: dict[str, ClassScores]


class Evaluation(Document, frozen=True, kw_only=True):
    """evaluate → gate, push.

    Attributes:
      thresholds: Chosen on val, by class, in class-list order.
      predictions_path: `.npz` under data_root: tile_ids, field_ids [N], labels [N, C] bool, candidate [N, C] float32
        probabilities, candidate_predicted [N, C] bool, and, where there is a comparable production model, production,
        production_predicted and production_thresholds [C].
      production_version: What the pointer named at the time, comparable or not; None if nothing is in production.
      production_training_id: The training that the production model came from; empty if unknown.
      production: The production model on the same tiles; None if it was not compared.
      production_note: Why production was not compared, if there is one and it was not.
    """

    training_id: str
    manifest_sha256: str
    num_test_tiles: int
    thresholds: tuple[float, ...]
    candidate: Scores
    predictions_path: str
    production_version: str | None = None
    production_training_id: str = ""
    production: Scores | None = None
    production_note: str = ""


class Decision(Document, frozen=True, kw_only=True):
    """gate → push: "push" or "refuse", and why.

    Attributes:
      difference: Candidate's macro F1 minus production's, and the low and high end of its interval by paired
        bootstrap; None without production.
    """

    decision: str
    reason: str
    floor: float
    candidate_macro_f1: float
    production_macro_f1: float | None = None
    difference: tuple[float, float, float] | None = None


class PushReceipt(Document, frozen=True, kw_only=True):
    """What push published. `previous_version` is what the pointer named before."""

    model_version: str
    model_uri: str
    previous_version: str | None


class ModelCard(Document, frozen=True, kw_only=True):
    """`card.json` beside a published serving model; without it, the version does not exist.

    Attributes:
      version: The model's content version: a hash of weights, configuration, thresholds and classes.
      thresholds: A class is predicted from this probability on, in class-list order; unused in single-label mode,
        where the most probable class is predicted.
      scores: On the test split of the dataset `manifest_sha256`.
      usage: How to call the model, by signature.
    """

    format_version: int = FORMAT_VERSION
    version: str
    training_id: str
    manifest_sha256: str
    backbone: str
    label_mode: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    image_size_px: int
    thresholds: tuple[float, ...]
    config: dict[str, str | int | float | bool | None]
    scores: Scores
    num_test_tiles: int
    usage: dict[str, str]


class Production(Document, frozen=True, kw_only=True):
    """`production.json` under models_uri: which version serves.

    Attributes:
      version: Folder under `versions/`.
      previous: The version that a rollback returns to; None for the first.
      earlier: The versions that were in production before `previous`, oldest first.
    """

    way_out: ClassVar[str] = "restore it, or remove it to start over without a production model"

    format_version: int = FORMAT_VERSION
    version: str
    previous: str | None = None
    earlier: tuple[str, ...] = ()
