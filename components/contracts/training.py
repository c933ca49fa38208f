"""train → evaluate, push: a training, its learning curve and what limited its speed."""

import msgspec

from components.contracts.document import Document
from components.contracts.names import PathPart, PathPartOrEmpty, RelativePath, RelativePathOrEmpty, Sha256
from components.contracts.runs.cost import PodSeconds, RunCost


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
      reduce_latency_seconds: That they took for each of several exchanges of a single number in a row; 0 if unknown.
      reduces_per_step: How often they add up something in a step, such as the moments of batch normalisation; 0 if
        unknown.
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
    reduce_latency_seconds: float = 0.0
    reduces_per_step: int = 0
    max_16_bit: int | msgspec.UnsetType = msgspec.UNSET
    weights_path: RelativePathOrEmpty = ""
    commit: str = ""
    image: str = ""
