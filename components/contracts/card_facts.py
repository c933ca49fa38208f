"""What a card says of a model's data, training, descent and exports, beside the model's own behaviour."""

from typing import TypeAlias

import msgspec

from components.contracts.names import RelativePathOrEmpty, Sha256OrEmpty, UtcTime
from components.contracts.runs.cost import PodSeconds, RunCost

ByClass: TypeAlias = tuple[int, ...]


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The dataset that a model was trained and tested on; its licence is a field of the card itself.

    Attributes:
      split_origin: How fields were divided into splits, as in the manifest.
      num_tiles, num_fields: By split.
      class_tiles: By split, the tiles that have each class, in class-list order.
      tile_sizes: Tiles by size "<width>x<height>" as stored, in pixels; the most frequent few.
    """

    layout: str
    split_origin: str
    num_tiles: dict[str, int]
    num_fields: dict[str, int]
    class_tiles: dict[str, ByClass]
    tile_sizes: dict[str, int] = msgspec.field(default_factory=dict)


class TrainingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a model was trained; its settings are the card's `config`.

    Attributes:
      seconds: Wall time, over all restarts of the launch that ended it.
      num_parameters: Of the network.
      num_epochs, best_epoch: Epochs that ended, and the one that was exported.
      ended_by, strategy: As in the training's receipt.
      tiles_per_second: Over all workers, without validation.
      pods, cost: As in the training's receipt; None in a card of an earlier version.
    """

    seconds: float
    num_parameters: int
    num_workers: int
    strategy: str
    num_restarts: int
    num_epochs: int
    best_epoch: int
    ended_by: str
    tiles_per_second: float = 0.0
    pods: PodSeconds | None = None
    cost: RunCost | None = None


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """What a version comes from, in addition to the card's training_id, manifest_sha256 and decision.

    Attributes:
      evaluation_sha256: Of the evaluation, as the run keeps it.
      test_set: Names the test tiles; empty if unknown.
      num_test_fields: Their fields; 0 if unknown.
      pod: The pod that pushed it, whose run Kubeflow knows; empty on a laptop.
      pushed_at: When it was pushed.
      receipt_sha256: Of `receipt.json` of the training; empty, as all that follows, if unknown.
      origin_sha256: Of what the dataset was made from, kept as `documents/<sha256>.json` under data_root.
      content_sha256: Of the model's weights and graph, which its version follows from together with the card.
      training_commit, image: Of the code that trained, and of its workers' pods.
      commit: Of the code that pushed.
      run: The pipeline run.
    """

    evaluation_sha256: Sha256OrEmpty = ""
    test_set: Sha256OrEmpty = ""
    num_test_fields: int = 0
    pod: str = ""
    pushed_at: UtcTime
    receipt_sha256: Sha256OrEmpty = ""
    origin_sha256: Sha256OrEmpty = ""
    content_sha256: Sha256OrEmpty = ""
    training_commit: str = ""
    image: str = ""
    commit: str = ""
    run: str = ""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """The same model in another format; or why there is none.

    Attributes:
      kind: A key of components/push/export_kinds.py, e.g. "onnx".
      path: Below the version's folder; empty if it was refused.
      num_bytes, weight_bytes: The size of the file, and what its weights alone take, which it may not fall short of.
      difference: The largest difference from the answers of the evaluation, over `num_tiles` test tiles; None if it
        was not asked.
      tolerance: The largest that is accepted.
      problem: Why it was refused; empty if it was not.
    """

    kind: str
    path: RelativePathOrEmpty = ""
    num_bytes: int = 0
    weight_bytes: int = 0
    difference: float | None = None
    tolerance: float = 0.0
    num_tiles: int = 0
    problem: str = ""
