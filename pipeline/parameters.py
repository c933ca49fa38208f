"""The pipeline's parameters: one home for every setting of a run. Imports neither kfp nor TensorFlow.

The KFP run form shows them by name, in alphabetical order and without a description; so every one has a default,
starts with the stage it belongs to (or names a place), and ends in its unit where it has one.
"""

import dataclasses
from typing import Any, get_origin

from components.agrivision import LAYOUTS
from components.errors import SettingsError
from components.ingest.settings import check_places, check_settings
from components.train.settings.config import TrainConfig
from components.train.settings.node_pools import PROFILES, check_pool, resolve
from components.train.settings.strategies import AUTO, STRATEGIES, check_strategy

# Where every step finds the volume of a claim, and the claim that the manifests make.
VOLUME_PATH = "/mnt/agrivision"
VOLUME_CLAIM = "agrivision-data"
# What the run form shows where nothing is mounted: no bucket can be named so, and the first step refuses it.
BUCKET_PLACES = {
    "source_uri": "gs://<bucket>/tiles",
    "data_root": "gs://<bucket>/data",
    "models_uri": "gs://<bucket>/models",
}

_MAY_BE_EMPTY = (
    "source_version",
    "ingest_classes",
    "shard_reference_manifest",
    "train_accelerator_type",
    "train_cpu",
    "train_memory",
    "train_shared_memory",
)
_KINDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    dict: "an object such as {}",
    list: "a list such as []",
}


def _parameter(default: Any, help: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": help})


def _has_kind(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float if kind is float else kind)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parameters:
    """The settings of one run; a value's meaning is its field's help text.

    Raises:
      SettingsError: for a value, or a combination, that no run can succeed with.
    """

    source_uri: str = _parameter(
        f"{VOLUME_PATH}/source", "Where the tiles are: a folder, gs://<bucket>/<folder> or s3://. Only read."
    )
    source_version: str = _parameter(
        "", "Any text; a new one makes Kubeflow look at the source again instead of reusing its cached listing."
    )
    data_root: str = _parameter(
        f"{VOLUME_PATH}/data", "Where shards, checkpoints and reports are kept: a folder or gs:// URI."
    )
    models_uri: str = _parameter(
        f"{VOLUME_PATH}/models", "Where model versions and the production pointer are kept: a folder or gs:// URI."
    )
    ingest_layout: str = _parameter("auto", f"How the source is laid out: auto, {', '.join(LAYOUTS)}.")
    ingest_classes: str = _parameter(
        "", "Class list and its order, comma-separated; empty takes the layout's, or the names of the class folders."
    )
    ingest_seed: int = _parameter(0, "Seeds the split by field and the order of tiles in the shards.")
    ingest_val_percent: int = _parameter(20, "Tiles for validation, percent, where the source has no official split.")
    ingest_test_percent: int = _parameter(20, "Tiles for the test, percent, where the source has no official split.")
    ingest_num_partitions: int = _parameter(2, "Shard tasks that run side by side.")
    ingest_max_bad_fraction: float = _parameter(0.01, "Share of bad tiles, 0 to 1, above which the run fails.")
    shard_size_mb: int = _parameter(64, "Size of a shard, MB; 10 to 100 reads well from disks and buckets.")
    shard_tile_size_px: int = _parameter(
        0, "Side that larger tiles are scaled down to in the shards, pixels; 0 stores every tile as it is."
    )
    shard_min_class_fraction: float = _parameter(
        0.002, "Share of a tile's valid pixels, 0 to 1, from which on a class counts as present in the tile."
    )
    shard_reference_manifest: str = _parameter(
        "", "Manifest of an earlier dataset, a file or gs:// URI, that the data report compares the new one with."
    )
    train_config: str = _parameter(
        "{}", f"The model's tuning, a JSON object with some of {', '.join(TrainConfig.__struct_fields__)}."
    )
    train_num_workers: int = _parameter(2, "Worker processes that train together.")
    train_strategy: str = _parameter(
        AUTO, f"How training is spread over devices: {AUTO}, {', '.join(STRATEGIES)}. See the README's table."
    )
    train_max_restarts: int = _parameter(2, "How often training starts again from its checkpoint after a crash.")
    train_max_seconds: int = _parameter(
        0, "Seconds of training, over all restarts, after which it ends with the best model so far; 0 is without limit."
    )
    train_checkpoint_seconds: int = _parameter(
        600, "Seconds from one checkpoint to the next within an epoch; 0 makes them at epochs' ends only."
    )
    train_keep_checkpoints: int = _parameter(
        2, "Checkpoints that are kept, the last ones; a damaged one is answered with the one before it."
    )
    train_profile: str = _parameter(
        "cpu", f"On a cluster, the node pool that workers run on: {', '.join(PROFILES)}. What follows changes it."
    )
    train_accelerator_type: str = _parameter(
        "", "Accelerator of a worker, nvidia.com/gpu or google.com/tpu; empty for the profile's."
    )
    train_accelerator_count: str = _parameter("0", "Accelerators of a worker; 0 for the profile's.")
    train_node_selector: dict[str, str] = dataclasses.field(
        default_factory=dict,
        metadata={"help": "Labels that a worker's node must have, beside the profile's; a JSON object."},
    )
    train_tolerations: list[dict[str, Any]] = dataclasses.field(
        default_factory=list,
        metadata={"help": "Taints that a worker's node may have, beside the profile's; a JSON list, as in a pod."},
    )
    train_cpu: str = _parameter("", 'Cores that a worker asks for, such as "500m" or "2"; empty for the profile\'s.')
    train_memory: str = _parameter("", 'Memory of a worker, such as "8Gi"; empty for the profile\'s.')
    train_shared_memory: str = _parameter(
        "", "Size of a worker's /dev/shm, part of its memory, such as \"1Gi\"; empty for the profile's."
    )
    gate_min_macro_f1: float = _parameter(0.5, "Macro F1 on the test fields, 0 to 1, below which no model is pushed.")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind: Any = get_origin(field.type) or field.type
            if not _has_kind(value, kind):
                raise SettingsError(f"{field.name} must be {_KINDS[kind]}, got {value!r}")
            if isinstance(value, str) and not value.strip() and field.name not in _MAY_BE_EMPTY:
                raise SettingsError(f"{field.name} must not be empty")
        check_places(self.source_uri, self.data_root, self.models_uri)
        check_settings(
            layout=self.ingest_layout,
            classes=self.ingest_classes,
            seed=self.ingest_seed,
            val_percent=self.ingest_val_percent,
            test_percent=self.ingest_test_percent,
            num_partitions=self.ingest_num_partitions,
            num_workers=self.train_num_workers,
            shard_size_mb=self.shard_size_mb,
            tile_size_px=self.shard_tile_size_px,
            min_class_fraction=self.shard_min_class_fraction,
            max_bad_fraction=self.ingest_max_bad_fraction,
        )
        tuning = TrainConfig.from_json(self.train_config)
        check_strategy(self.train_strategy, tuning, self.train_num_workers)
        if 0 < self.shard_tile_size_px < tuning.image_size_px:
            raise SettingsError(
                f"shard_tile_size_px must be at least image_size_px={tuning.image_size_px} of train_config, "
                f"or 0 for tiles as they are, got {self.shard_tile_size_px}"
            )
        if self.train_max_restarts < 0:
            raise SettingsError(f"train_max_restarts must be at least 0, got {self.train_max_restarts}")
        if self.train_max_seconds < 0:
            raise SettingsError(f"train_max_seconds must be at least 0, got {self.train_max_seconds}")
        if self.train_checkpoint_seconds < 0:
            raise SettingsError(f"train_checkpoint_seconds must be at least 0, got {self.train_checkpoint_seconds}")
        if self.train_keep_checkpoints < 1:
            raise SettingsError(f"train_keep_checkpoints must be at least 1, got {self.train_keep_checkpoints}")
        pool = resolve(
            self.train_profile,
            self.train_accelerator_type,
            self.train_accelerator_count,
            self.train_node_selector,
            self.train_tolerations,
            self.train_cpu,
            self.train_memory,
            self.train_shared_memory,
        )
        check_pool(pool, self.train_num_workers)
        if not 0 <= self.gate_min_macro_f1 <= 1:
            raise SettingsError(f"gate_min_macro_f1 must be between 0 and 1, got {self.gate_min_macro_f1}")
