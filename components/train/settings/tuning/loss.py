"""What training minimises (step/objective.py)."""

import dataclasses

from components.setting import setting

LOSSES = ("cross_entropy", "focal")
CLASS_WEIGHTINGS = ("square_root", "effective_number", "none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The loss, and what each class weighs in it."""

    loss: str = setting(
        "cross_entropy",
        '"focal" (Lin et al. 2017) makes less of what is predicted well already.',
        choices=LOSSES,
    )
    focal_gamma: float = setting(2.0, "Exponent of the focal loss.", at_least=0)
    focal_alpha: float = setting(
        0.25,
        "Weight of a class that is present in the focal loss; 1 - alpha is the weight of one that is absent. "
        "Single-label mode has no alpha. Its authors used no class weights in addition.",
        at_least=0,
        at_most=1,
    )
    label_smoothing: float = setting(0.0, "Share of a label that is spread out evenly.", at_least=0, below=1)
    class_weighting: str = setting(
        "square_root",
        "What a class weighs in the loss: by the square root of its rarity, by its effective number of tiles (Cui et "
        "al. 2019), or the same for all.",
        choices=CLASS_WEIGHTINGS,
    )
