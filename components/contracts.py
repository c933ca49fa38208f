"""What travels between the steps: small documents, never pixels.

Each is a frozen struct that is written as canonical JSON (sorted keys, so equal content is equal
bytes) and refuses, when read, anything of another form. Paths inside a document are relative to
`data_root`, so that the same data in another place has the same document and the same hash.
"""

import hashlib
from pathlib import Path
from typing import Self

import msgspec

from components.errors import DataError

FORMAT_VERSION = 1


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the documents: how one is written and read."""

    def to_json(self) -> bytes:
        """Returns the canonical JSON text, with a final newline."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"

    @classmethod
    def from_json(cls, text: bytes, origin: str) -> Self:
        """Reads a document; `origin` is where it came from, for the error.

        Raises:
          DataError: if `text` is not such a document.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise DataError(f"{origin} is not a {cls.__name__.lower()} that this version can read: {error}") from error

    def write(self, path: str | Path) -> None:
        """Writes the document to a local file, e.g. a KFP artifact."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.to_json())

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a document from a local file, e.g. a KFP artifact."""
        return cls.from_json(Path(path).read_bytes(), str(path))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_json()).hexdigest()


class SourceFile(msgspec.Struct, frozen=True, array_like=True):
    """One file of the source.

    Attributes:
      path: Relative to the source's root.
      num_bytes: Its size.
      version: Changes whenever the content may have: modification time in ns, or a bucket's generation.
    """

    path: str
    num_bytes: int
    version: str


class SourceTile(msgspec.Struct, frozen=True, kw_only=True):
    """One tile as ingest found it; a line of a partition file (JSON lines).

    Attributes:
      tile_id, field_id: Unique name of the tile, and the field it was cut from.
      split: One of agrivision.SPLITS.
      shard: Index of its shard within the split.
      rgb: 3-band image.
      nir: 1-band image of the same size; None for RGB-only layouts.
      boundary, mask: PNG, 255 where the pixel is inside the field and where it is usable; None counts as all valid.
      labels: PNG mask by class name, only for the classes that have a file.
      classes: The tile's classes where the layout gives them by tile and not by pixel.
    """

    tile_id: str
    field_id: str
    split: str
    shard: int
    rgb: SourceFile
    nir: SourceFile | None = None
    boundary: SourceFile | None = None
    mask: SourceFile | None = None
    labels: dict[str, SourceFile] = {}
    classes: tuple[str, ...] = ()


class Rejection(msgspec.Struct, frozen=True, order=True):
    """A tile that was left out, and why, in one line without absolute paths."""

    tile_id: str
    reason: str


class PlannedShard(msgspec.Struct, frozen=True, kw_only=True):
    """One shard to be written.

    Attributes:
      source_digest: sha256 over everything its bytes follow from (tiles, file versions, settings).
    """

    split: str
    index: int
    num_tiles: int
    num_bytes: int
    source_digest: str


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one shard task: the lines of `path` (under data_root), sorted by split, shard, order in the shard."""

    index: int
    path: str
    num_tiles: int
    shards: tuple[PlannedShard, ...]


class Inventory(Document, frozen=True, kw_only=True):
    """ingest → shard, merge: which tiles there are, their split and their partition.

    Attributes:
      fingerprint: sha256 over every source file's path, size and version.
      split_origin: "official" or "by field"; how the split came about, for the report.
      num_unlabelled: Tiles left aside because the layout gives them no labels.
      min_class_fraction: A class counts as present from this share of the valid pixels on (and at least one pixel).
      rejected: Tiles that could not even be paired.
    """

    format_version: int = FORMAT_VERSION
    source_uri: str
    layout: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    seed: int
    split_origin: str
    fingerprint: str
    num_tiles: int
    num_fields: int
    num_unlabelled: int
    min_class_fraction: float
    max_bad_fraction: float
    partitions: tuple[Partition, ...]
    rejected: tuple[Rejection, ...] = ()


class ShardReceipt(Document, frozen=True, kw_only=True):
    """shard → merge: what one shard holds. All statistics are integer sums, so merging them is exact in any order.

    Attributes:
      source_digest: The plan's; a second run skips a shard whose receipt has the same.
      path: The shard, `shards/<sha256>.tfrecord`; empty if no tile of it was good.
      field_ids: Sorted, unique.
      class_tiles: Tiles that have the class, in class-list order, [C].
      class_pixels: Valid pixels of the class, [C].
      valid_pixels, total_pixels: Over all tiles.
      cooccurrence: Tiles that have both classes, [C][C].
      num_single_label: Tiles with exactly one class.
      band_histogram: Valid pixels by value, [bands][256].
      tile_sizes: How many tiles have the size "<width>x<height>", in pixels.
    """

    source_digest: str
    split: str
    index: int
    path: str
    sha256: str
    num_bytes: int
    num_tiles: int
    field_ids: tuple[str, ...]
    class_tiles: tuple[int, ...]
    class_pixels: tuple[int, ...]
    cooccurrence: tuple[tuple[int, ...], ...]
    valid_pixels: int
    total_pixels: int
    num_single_label: int
    band_histogram: tuple[tuple[int, ...], ...]
    tile_sizes: dict[str, int]
    rejected: tuple[Rejection, ...] = ()


class ShardReceipts(Document, frozen=True, kw_only=True):
    """What one shard task hands to merge: the receipts of its partition."""

    partition: int
    receipts: tuple[ShardReceipt, ...]


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One TFRecord file of the dataset; `path` is relative to data_root."""

    path: str
    sha256: str
    num_bytes: int
    num_tiles: int
    num_single_label: int


class SplitSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One split of the dataset. `class_tiles` follows the class list; `band_mean` and `band_std` are in 0..1."""

    num_tiles: int
    num_fields: int
    num_single_label: int
    class_tiles: tuple[int, ...]
    class_pixels: tuple[int, ...]
    cooccurrence: tuple[tuple[int, ...], ...]
    valid_pixels: int
    band_mean: tuple[float, ...]
    band_std: tuple[float, ...]
    band_histogram: tuple[tuple[int, ...], ...]
    shards: tuple[Shard, ...]


class Manifest(Document, frozen=True, kw_only=True):
    """merge → train, evaluate: the dataset. Without it, a dataset does not exist.

    Holds nothing that depends on where or when it was made: equal tiles and settings give equal bytes.

    Attributes:
      splits: By name; a split without tiles is left out.
      tile_sizes: Tiles by size "<width>x<height>", in pixels.
      rejected: Sorted.
    """

    format_version: int = FORMAT_VERSION
    layout: str
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    seed: int
    split_origin: str
    min_class_fraction: float
    tile_sizes: dict[str, int]
    splits: dict[str, SplitSummary]
    rejected: tuple[Rejection, ...]

    @property
    def num_tiles(self) -> int:
        return sum(split.num_tiles for split in self.splits.values())

    @property
    def num_shards(self) -> int:
        return sum(len(split.shards) for split in self.splits.values())


class EpochMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the learning curve; losses are means per tile, val_macro_f1 is at threshold 0.5."""

    epoch: int
    train_loss: float
    val_loss: float
    val_macro_f1: float
    learning_rate: float
    seconds: float
    tiles_per_second: float


class TrainingReceipt(Document, frozen=True, kw_only=True):
    """train → evaluate, push: the trained model and how it came about.

    Attributes:
      training_id: Hash of manifest, configuration and training code; names the folder under `training/`.
      model_path: SavedModel under data_root, with the functions that components/train/export.py describes.
      config: The complete TrainConfig, as JSON values.
      label_mode: "multi_label" (sigmoid) or "single_label" (softmax).
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
    num_restarts: int
    config: dict[str, str | int | float | bool | None]
    best_epoch: int
    history: tuple[EpochMetrics, ...]
    seconds: float


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

    format_version: int = FORMAT_VERSION
    version: str
    previous: str | None = None
    earlier: tuple[str, ...] = ()


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
