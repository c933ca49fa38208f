"""push: a published model, and what was published."""

import msgspec

from components.contracts.calibration import Calibration, NotSure, Probability, Reliability
from components.contracts.card_facts import DataFacts, Export, Lineage, TrainingFacts
from components.contracts.dense import DenseScores
from components.contracts.document import FORMAT_VERSION, Document
from components.contracts.evaluation import Scores
from components.contracts.gate import Decision
from components.contracts.names import PathPart, RelativePath, Sha256, Sha256OrEmpty
from components.contracts.weaknesses import Robustness, SliceScore


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
        components/records/tile_pixels.py; 0 if they differ, not stated in a card of an earlier version.
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
