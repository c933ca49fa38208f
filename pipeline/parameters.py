"""The pipeline's parameters: every setting of a run under one flat name. Imports neither kfp nor TensorFlow.

Each step declares its own settings, with their defaults, meanings and ranges. This module adds the settings of the run
itself and the checks across steps. The run form, the command-line options, the signature of the DAG and the
documentation are generated from `PARAMETERS`.

A parameter is an option of a command, and a field of the run form or a key of one of its objects: see form.py.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from components.errors import SettingsError
from components.evaluate.settings import EvaluateSettings
from components.gate.settings import GateSettings
from components.ingest.settings import IngestSettings
from components.places import check_places
from components.push.settings import PushSettings
from components.setting import Setting, check_settings, check_value, nearest, parameter_name, setting, settings_of
from components.storage import plain_place
from components.train.settings.config import TrainConfig
from components.train.settings.node_pools import PoolSettings, check_pool
from components.train.settings.train_settings import TrainSettings

# Where every step mounts the volume, and the claim that the manifests create.
VOLUME_PATH = "/mnt/agrivision"
VOLUME_CLAIM = "agrivision-data"
# The parameters that are places: a folder, also as a file:// URI, or what their meanings say.
PLACES = ("source_uri", "data_root", "models_uri", "shard_reference_manifest")
# What the run form shows if no volume is mounted. No bucket can have such a name, and the first step refuses it.
BUCKET_PLACES = {
    "source_uri": "gs://<bucket>/tiles",
    "data_root": "gs://<bucket>/data",
    "models_uri": "gs://<bucket>/models",
}

Settings = TypeVar("Settings")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of a run that no step declares."""

    source_uri: str = setting(
        f"{VOLUME_PATH}/source", "Where the tiles are: a folder, gs://<bucket>/<folder> or s3://. Read only."
    )
    source_version: str = setting(
        "",
        "Any text; change it to make Kubeflow list the source again instead of reusing the cached listing.",
        may_be_empty=True,
    )
    data_root: str = setting(
        f"{VOLUME_PATH}/data", "Where to keep shards, checkpoints and reports: a folder or gs:// URI."
    )
    models_uri: str = setting(
        f"{VOLUME_PATH}/models", "Where to keep model versions and the production pointer: a folder or gs:// URI."
    )
    shard_reference_manifest: str = setting(
        "",
        "Manifest of an earlier dataset, a file or gs:// URI, for the data report to compare the new dataset with.",
        may_be_empty=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_places(self.source_uri, self.data_root, self.models_uri)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of the pipeline.

    Attributes:
      kind: The type annotation of its value.
      default: In the form that a run takes.
      known: Its setting: meaning and range.
      key: Its key in the object of the run form that `known.group` names, if it has one.
    """

    name: str
    kind: Any
    default: Any
    known: Setting
    key: str


# The classes whose settings become parameters, and the prefix of their names.
_PREFIXES = {
    RunSettings: "",
    IngestSettings: "ingest_",
    TrainSettings: "train_",
    PoolSettings: "train_",
    EvaluateSettings: "evaluate_",
    GateSettings: "gate_",
    PushSettings: "push_",
}


def _parameters() -> Iterator[Parameter]:
    for settings_type, prefix in _PREFIXES.items():
        for field, known in settings_of(settings_type):
            name = parameter_name(field, known, prefix)
            if known.parse is not None:
                yield from _own_parameters(TrainConfig)
                yield Parameter(name, dict[str, Any], {}, known, field.name)
            elif field.default_factory is not dataclasses.MISSING:
                yield Parameter(name, field.type, field.default_factory(), known, field.name)
            elif field.default is not dataclasses.MISSING:  # without one, it is another step's setting
                yield Parameter(name, field.type, field.default, known, field.name)


def _own_parameters(settings_type: type) -> Iterator[Parameter]:
    for field, known in settings_of(settings_type):
        if known.parameter:
            yield Parameter(known.parameter, field.type, field.default, known, field.name)


PARAMETERS: Mapping[str, Parameter] = {parameter.name: parameter for parameter in _parameters()}


class Parameters:
    """The settings of one run, all checked.

    Attributes:
      values: Keyed and ordered like PARAMETERS, in the form that a run takes.
      run, ingest, train, pool, evaluate, gate, push: The same values as the steps see them.
    """

    def __init__(self, **given: Any) -> None:
        """Takes some parameters by name; the others keep their defaults.

        Raises:
          SettingsError: for a value, or a combination, with which no run can succeed.
        """
        if unknown := sorted(given.keys() - PARAMETERS.keys()):
            meant = nearest(unknown[0], PARAMETERS)
            raise SettingsError(f"unknown parameter {unknown[0]!r}{meant}; expected one of {', '.join(PARAMETERS)}")
        self.values: dict[str, Any] = {name: given.get(name, each.default) for name, each in PARAMETERS.items()}
        for name, parameter in PARAMETERS.items():
            check_value(name, self.values[name], parameter.kind, parameter.known)
        self.values |= {name: plain_place(self.values[name]) for name in PLACES}
        self.run = make_settings(RunSettings, self.values)
        self.ingest = make_settings(IngestSettings, self.values)
        self.train = make_settings(TrainSettings, self.values)
        self.pool = make_settings(PoolSettings, self.values)
        self.evaluate = make_settings(EvaluateSettings, self.values)
        self.gate = make_settings(GateSettings, self.values)
        self.push = make_settings(PushSettings, self.values)
        check_pool(self.pool.pool(), self.train.num_workers)
        image_size_px = self.train.config.image_size_px
        if 0 < self.ingest.tile_size_px < image_size_px:
            raise SettingsError(
                f"shard_tile_size_px must be at least train_image_size_px={image_size_px}, "
                f"or 0 to keep tiles at their own size, got {self.ingest.tile_size_px}"
            )
        if self.train.config.is_dense and not self.ingest.label_masks:
            raise SettingsError(
                f"shard_label_masks must be true for head {self.train.config.head} of train_config, which learns from "
                "the pixels of each class, got false; or use head tile"
            )


def make_settings(settings_type: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Returns the settings of one step, taken from values by parameter name.

    Raises:
      SettingsError: for a value, or a combination, that the step cannot use.
    """
    prefix, named = _PREFIXES[settings_type], {}
    for field, known in settings_of(settings_type):
        name = parameter_name(field, known, prefix)
        own = {own: values[own] for own in TrainConfig.parameters()} if known.parse else {}
        named[field.name] = known.parse(values[name], **own) if known.parse else values[name]
    return settings_type(**named)
