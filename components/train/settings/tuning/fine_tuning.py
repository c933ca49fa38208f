"""How a pretrained backbone learns: frozen first, then block by block, at a rate of its own (loop/unfreezing.py)."""

import dataclasses

from components.errors import SettingsError
from components.setting import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuningSettings:
    """Which part of a pretrained backbone learns when, and how fast."""

    freeze_epochs: int = setting(
        0,
        "Epochs at the start in which the backbone keeps its weights; only the classifier and the kernels of further "
        "bands learn.",
        at_least=0,
    )
    unfreeze_every_epochs: int = setting(
        0,
        "After those, the backbone's last block learns, and one more block after so many epochs, down to the pixels; "
        "0 unfreezes all blocks at once.",
        at_least=0,
    )
    backbone_learning_rate_factor: float = setting(
        1.0,
        "The backbone's learning rate, as a multiple of the classifier's; freeze_epochs keeps the backbone as it is.",
        above=0,
    )

    def check_fine_tuning(self, weights: str) -> None:
        """Refuses to freeze random weights.

        Args:
          weights: What the backbone starts from; empty for random weights.

        Raises:
          SettingsError: names the setting.
        """
        for name in ("freeze_epochs", "unfreeze_every_epochs"):
            if (value := getattr(self, name)) and not weights:
                raise SettingsError(f"{name}={value} would freeze random weights; give weights, or set it to 0")
