"""TrainConfig: the tuning of a model, given as one JSON parameter. Its keys are those of its parts, in `tuning/`."""

import dataclasses
import functools
from typing import Any

import msgspec

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

# In the order in which people read them.
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
    """The tuning of a training, flat for whoever writes it; code takes the part of it that it needs.

    Raises:
      SettingsError: for a value that is of another kind, out of range or unknown, and for a combination that cannot
        work.
    """

    epochs: int = setting(20, "As many tiles as the train split has, so many times.", at_least=1)
    global_batch_size: int = setting(32, "Tiles per step, over all workers.", at_least=1)
    steps_per_call: int = setting(
        1, "Steps that the device takes before the host looks at them again: to stop, to log, to save.", at_least=1
    )
    seed: int = setting(0, "Seeds initialisation, order and augmentation.", at_least=0)

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

        JSON text, because a KFP `dict` parameter turns 2 into 2.0 on its way.

        Raises:
          SettingsError: if `text` is not a JSON object, a key is unknown, or a value is refused.
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
            return cls(**{key: _as_float(value, kinds[key]) for key, value in values.items()})
        except SettingsError as error:
            raise SettingsError(f"train_config {text!r}: {error}") from error

    def to_builtins(self) -> dict[str, Any]:
        """Returns all keys with their values, as JSON values."""
        return dataclasses.asdict(self)

    def check_workers(self, num_workers: int) -> None:
        """Refuses a number of workers that the batch cannot be divided by.

        Raises:
          SettingsError: if the global batch size is not a multiple of `num_workers`.
        """
        if self.global_batch_size % num_workers:
            raise SettingsError(
                f"global_batch_size must be a multiple of train_num_workers={num_workers}, got {self.global_batch_size}"
            )


def _as_float(value: Any, kind: Any) -> Any:
    # People write 0 where a number is meant, and equal settings must name equal trainings.
    return float(value) if kind is float and type(value) is int else value
