"""The pipeline's parameters: every setting of a run by one flat name. Imports neither kfp nor TensorFlow.

A step's settings, with their defaults, meanings and ranges, stand in the step's own settings; here are those of the run
itself, and what must hold between steps. The run form, the options of a command, the signature of the DAG and the
documentation are made from `PARAMETERS`.

The KFP run form shows parameters by name, in alphabetical order and without a description; so every one has a default,
starts with the step it belongs to (or names a place), and ends in its unit where it has one.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from components.errors import SettingsError
from components.ingest.settings import IngestSettings, check_places
from components.setting import Setting, check_settings, check_value, parameter_name, setting, settings_of
from components.train.settings.node_pools import PoolSettings, check_pool
from components.train.settings.train_settings import TrainSettings

# Where every step finds the volume of a claim, and the claim that the manifests make.
VOLUME_PATH = "/mnt/agrivision"
VOLUME_CLAIM = "agrivision-data"
# What the run form shows where nothing is mounted: no bucket can be named so, and the first step refuses it.
BUCKET_PLACES = {
    "source_uri": "gs://<bucket>/tiles",
    "data_root": "gs://<bucket>/data",
    "models_uri": "gs://<bucket>/models",
}

Settings = TypeVar("Settings")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of a run that belong to no step's code."""

    source_uri: str = setting(
        f"{VOLUME_PATH}/source", "Where the tiles are: a folder, gs://<bucket>/<folder> or s3://. Only read."
    )
    source_version: str = setting(
        "",
        "Any text; a new one makes Kubeflow look at the source again instead of reusing its cached listing.",
        may_be_empty=True,
    )
    data_root: str = setting(
        f"{VOLUME_PATH}/data", "Where shards, checkpoints and reports are kept: a folder or gs:// URI."
    )
    models_uri: str = setting(
        f"{VOLUME_PATH}/models", "Where model versions and the production pointer are kept: a folder or gs:// URI."
    )
    shard_reference_manifest: str = setting(
        "",
        "Manifest of an earlier dataset, a file or gs:// URI, that the data report compares the new one with.",
        may_be_empty=True,
    )
    gate_min_macro_f1: float = setting(
        0.5, "Macro F1 on the test fields, 0 to 1, below which no model is pushed.", at_least=0, at_most=1
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_places(self.source_uri, self.data_root, self.models_uri)


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of the pipeline.

    Attributes:
      kind: The annotation of its value.
      default: In the form in which a run is given it.
      known: What is known of it: its meaning, its range.
    """

    name: str
    kind: Any
    default: Any
    known: Setting


# Whose settings are parameters, and the prefix of their names.
_PREFIXES = {RunSettings: "", IngestSettings: "ingest_", TrainSettings: "train_", PoolSettings: "train_"}


def _parameters() -> Iterator[Parameter]:
    for settings_type, prefix in _PREFIXES.items():
        for field, known in settings_of(settings_type):
            name = parameter_name(field, known, prefix)
            if known.parse is not None:
                yield Parameter(name, str, known.text, known)
            elif field.default_factory is not dataclasses.MISSING:
                yield Parameter(name, field.type, field.default_factory(), known)
            elif field.default is not dataclasses.MISSING:  # without one, it is another step's, and only read there
                yield Parameter(name, field.type, field.default, known)


PARAMETERS: Mapping[str, Parameter] = {parameter.name: parameter for parameter in _parameters()}


class Parameters:
    """The settings of one run, all checked.

    Attributes:
      values: By the names of PARAMETERS, in their order, in the form in which a run is given them.
      run, ingest, train, pool: The same as the steps see them.
    """

    def __init__(self, **given: Any) -> None:
        """Takes some parameters by name; the others have their defaults.

        Raises:
          SettingsError: for a value, or a combination, that no run can succeed with.
        """
        if unknown := sorted(given.keys() - PARAMETERS.keys()):
            raise SettingsError(f"unknown parameter {unknown[0]!r}; expected some of {', '.join(PARAMETERS)}")
        self.values: dict[str, Any] = {name: given.get(name, each.default) for name, each in PARAMETERS.items()}
        for name, parameter in PARAMETERS.items():
            check_value(name, self.values[name], parameter.kind, parameter.known)
        self.run = make_settings(RunSettings, self.values)
        self.ingest = make_settings(IngestSettings, self.values)
        self.train = make_settings(TrainSettings, self.values)
        self.pool = make_settings(PoolSettings, self.values)
        check_pool(self.pool.pool(), self.train.num_workers)
        image_size_px = self.train.config.image_size_px
        if 0 < self.ingest.tile_size_px < image_size_px:
            raise SettingsError(
                f"shard_tile_size_px must be at least image_size_px={image_size_px} of train_config, "
                f"or 0 for tiles as they are, got {self.ingest.tile_size_px}"
            )


def make_settings(settings_type: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Returns the settings of one step, of values by parameter.

    Raises:
      SettingsError: for a value, or a combination, that the step cannot work with.
    """
    named = arguments(settings_type, values)
    for field, known in settings_of(settings_type):
        if known.parse is not None:
            named[field.name] = known.parse(named[field.name])
    return settings_type(**named)


def arguments(settings_type: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns, of values by parameter, those of one step's settings, by the names of its fields."""
    prefix = _PREFIXES[settings_type]
    return {field.name: values[parameter_name(field, known, prefix)] for field, known in settings_of(settings_type)}
