"""The settings of the evaluate step."""

import dataclasses

from components.setting import check_settings, setting

# The object of the run form that holds what is rarely changed of how a model is judged; the gate has its own in it.
OPTIONS = "gate_options"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """What the answers of a model must keep.

    Raises:
      SettingsError: For a value out of range.
    """

    max_miss_rate: float = setting(
        0.1,
        "Largest share of a pattern's tiles, 0 to 1, to which a model may say no, on average over fields. Where "
        "neither yes nor no is safe, it is not sure; at 0 it never says no, at 1 it is always sure.",
        at_least=0,
        at_most=1,
        group=OPTIONS,
    )

    def __post_init__(self) -> None:
        check_settings(self, "evaluate_")
