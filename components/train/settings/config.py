"""TrainConfig: a model's tuning, passed as one object. Most of its keys are declared in `tuning/`."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from components import storage
from components.errors import SettingsError
from components.setting import as_kind, check_key, check_settings, setting, settings_of
from components.train.settings.tuning.augmentation import AugmentationSettings
from components.train.settings.tuning.fine_tuning import FineTuningSettings
from components.train.settings.tuning.loss import LossSettings
from components.train.settings.tuning.network import NetworkSettings
from components.train.settings.tuning.optimizer import OptimizerSettings
from components.train.settings.tuning.sampling import SamplingSettings
from components.train.settings.tuning.schedule import ScheduleSettings
from components.train.settings.tuning.stopping import StoppingSettings

# In the order people read them.
PARTS = (
    NetworkSettings,
    FineTuningSettings,
    LossSettings,
    SamplingSettings,
    AugmentationSettings,
    OptimizerSettings,
    ScheduleSettings,
    StoppingSettings,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(
    StoppingSettings,
    ScheduleSettings,
    OptimizerSettings,
    AugmentationSettings,
    SamplingSettings,
    LossSettings,
    FineTuningSettings,
    NetworkSettings,
):
    """The tuning of a training. Users write it as one flat object; code uses only the part it needs.

    What people change most has a parameter of its own in addition, which the same key of the object overrides.

    Raises:
      SettingsError: If a value has the wrong type, is out of range or unknown, or if a combination cannot work.
    """

    epochs: int = setting(
        20,
        "Number of epochs; an epoch reads as many tiles as there are in the train split.",
        parameter="train_epochs",
        at_least=1,
    )
    global_batch_size: int = setting(
        32, "Tiles per step, over all workers.", parameter="train_global_batch_size", at_least=1
    )
    steps_per_call: int = setting(
        0,
        "Steps that the device takes before the host can stop, log or save a checkpoint; 0 lets training choose: one "
        "if a step takes long, and of short ones as many as take 0.2 s at most.",
        at_least=0,
    )
    # TensorFlow and Keras take no larger one.
    seed: int = setting(0, "Seed of weight initialisation, tile order and augmentation.", at_least=0, below=2**32)

    def __post_init__(self) -> None:
        check_settings(self)
        self.check_network()
        self.check_fine_tuning(self.weights)

    @classmethod
    @functools.cache
    def keys(cls) -> tuple[str, ...]:
        """Returns the names of all keys."""
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    @functools.cache
    def parameters(cls) -> Mapping[str, str]:
        """Returns the keys that have a parameter of their own, by its name."""
        return {known.parameter: field.name for field, known in settings_of(cls) if known.parameter}

    @classmethod
    def from_object(cls, given: Mapping[str, Any], **own: Any) -> "TrainConfig":
        """Returns the tuning of a run.

        Args:
          given: The object `train_config`, e.g. `{"epochs": 2}`; overrides the others.
          own: By name, parameters of their own, e.g. train_epochs; absent ones have their defaults.

        Raises:
          SettingsError: If a key is unknown, or a value is rejected.
        """
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        for key in given:
            check_key("train_config", key, kinds)
        values = {cls.parameters()[name]: value for name, value in own.items()} | dict(given)
        if isinstance(weights := values.get("weights"), str):
            values["weights"] = storage.plain_place(weights)
        return cls(**{key: as_kind(value, kinds[key]) for key, value in values.items()})

    def to_builtins(self) -> dict[str, Any]:
        """Returns all keys with their values, as JSON values."""
        return dataclasses.asdict(self)

    def check_workers(self, num_workers: int) -> None:
        """Rejects a number of workers that does not divide the global batch size.

        Raises:
          SettingsError: If the global batch size is not a multiple of `num_workers`.
        """
        if self.global_batch_size % num_workers:
            raise SettingsError(
                f"global_batch_size must be a multiple of train_num_workers={num_workers}, got {self.global_batch_size}"
            )
