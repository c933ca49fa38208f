"""The settings of the gate."""

import dataclasses

from components.setting import check_settings, setting

# The object of the run form that holds what is rarely changed; it has settings of the evaluate step, too.
OPTIONS = "gate_options"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateSettings:
    """When a model may be pushed.

    Raises:
      SettingsError: For a value out of range.
    """

    min_macro_f1: float = setting(
        0.5, "Lowest macro F1 on the test fields, 0 to 1, at which a model is pushed.", at_least=0, at_most=1
    )
    min_class_f1: float = setting(
        0.0, "Lowest F1 of every class that the test fields have, 0 to 1.", at_least=0, at_most=1, group=OPTIONS
    )
    max_class_loss: float = setting(
        0.05,
        "How far the F1 of a class may fall below that of production's model. Where it falls further, by more than "
        "noise, the model is refused, whatever it gains elsewhere.",
        at_least=0,
        at_most=1,
        group=OPTIONS,
    )

    min_mean_iou: float = setting(
        0.0,
        "Lowest mean IoU of the model's maps over the test pixels, 0 to 1; above 0, a model without maps is refused.",
        at_least=0,
        at_most=1,
        group=OPTIONS,
    )

    def __post_init__(self) -> None:
        check_settings(self, "gate_")
