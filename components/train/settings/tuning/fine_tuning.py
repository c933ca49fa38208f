"""Settings for fine-tuning a pretrained backbone: frozen first, then unfrozen by block (loop/unfreezing.py)."""

import dataclasses

from components.errors import SettingsError
from components.setting import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuningSettings:
    """Which parts of a pretrained backbone learn, from which epoch on, and how fast."""

    freeze_epochs: int = setting(
        0,
        "Epochs at the start during which the backbone is frozen; only the classifier and the kernels of additional "
        "bands learn.",
        at_least=0,
    )
    unfreeze_every_epochs: int = setting(
        0,
        "After freeze_epochs, unfreeze the backbone's last block, then one more block every this many epochs, down to "
        "the pixels. 0 unfreezes all blocks at once.",
        at_least=0,
    )
    backbone_learning_rate_factor: float = setting(
        1.0,
        "Learning rate of the backbone, as a multiple of the classifier's. To freeze the backbone, use freeze_epochs.",
        above=0,
    )

    def check_fine_tuning(self, weights: str) -> None:
        """Rejects settings that would freeze random weights.

        Args:
          weights: The backbone's initial weights; empty for random weights.

        Raises:
          SettingsError: If a setting would freeze random weights; names the setting.
        """
        for name in ("freeze_epochs", "unfreeze_every_epochs"):
            if (value := getattr(self, name)) and not weights:
                raise SettingsError(f"{name}={value} would freeze random weights; give weights, or set it to 0")
