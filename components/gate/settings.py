"""The settings of the gate."""

import dataclasses

from components.setting import check_settings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateSettings:
    """When a model may be pushed.

    Raises:
      SettingsError: For a value out of range.
    """

    min_macro_f1: float = setting(
        0.5, "Lowest macro F1 on the test fields, 0 to 1, at which a model is pushed.", at_least=0, at_most=1
    )

    def __post_init__(self) -> None:
        check_settings(self, "gate_")
