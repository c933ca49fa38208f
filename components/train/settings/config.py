"""TrainConfig: a model's tuning, passed as one JSON parameter. Most of its keys are declared in `tuning/`."""

import dataclasses
import functools
from typing import Any

import msgspec

from components import storage
from components.errors import SettingsError
from components.setting import check_settings, setting
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

    Raises:
      SettingsError: If a value has the wrong type, is out of range or unknown, or if a combination cannot work.
    """

    epochs: int = setting(
        20, "Number of epochs; an epoch reads as many tiles as there are in the train split.", at_least=1
    )
    global_batch_size: int = setting(32, "Tiles per step, over all workers.", at_least=1)
    steps_per_call: int = setting(
        1, "Steps that the device takes before the host can stop, log or save a checkpoint.", at_least=1
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
    def from_json(cls, text: str) -> "TrainConfig":
        """Returns the defaults overridden by the JSON object `text`, e.g. `{"epochs": 2}`.

        The parameter is JSON text because KFP turns the 2 of a `dict` parameter into 2.0.

        Raises:
          SettingsError: If `text` is not a JSON object, a key is unknown, or a value is rejected.
        """
        try:
            values: Any = msgspec.json.decode(text)
        except msgspec.DecodeError:
            values = None
        if not isinstance(values, dict):
            raise SettingsError(f"""train_config must be a JSON object such as {{"epochs": 2}}, got {text!r}""")
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        try:
            if unknown := [key for key in values if key not in kinds]:
                raise SettingsError(f"unknown key {unknown[0]!r}; the keys are {', '.join(kinds)}")
            if isinstance(weights := values.get("weights"), str):
                values["weights"] = storage.plain_place(weights)
            return cls(**{key: _as_float(value, kinds[key]) for key, value in values.items()})
        except SettingsError as error:
            raise SettingsError(f"train_config {text!r}: {error}") from error

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


def _as_float(value: Any, kind: Any) -> Any:
    # People write 0 for 0.0, and equal settings must give equal training ids.
    return float(value) if kind is float and type(value) is int else value
