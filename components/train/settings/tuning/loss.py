"""Settings of the loss that training minimises (step/objective.py, step/dense_loss.py)."""

import dataclasses

from components.setting import setting

LOSSES = ("cross_entropy", "focal")
CLASS_WEIGHTINGS = ("square_root", "effective_number", "none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The loss, and the weight of each class in it."""

    loss: str = setting(
        "cross_entropy",
        'Loss function; "focal" (Lin et al. 2017) gives less weight to predictions that are already good.',
        choices=LOSSES,
    )
    focal_gamma: float = setting(2.0, "Exponent of the focal loss.", at_least=0)
    focal_alpha: float = setting(
        0.25,
        "Weight of a present class in the focal loss; an absent class gets 1 - alpha. Not used in single-label mode. "
        "The focal loss paper uses no class weights in addition.",
        at_least=0,
        at_most=1,
    )
    label_smoothing: float = setting(
        0.0, "Fraction of each label to spread evenly over the alternatives; 0 turns it off.", at_least=0, below=1
    )
    class_weighting: str = setting(
        "square_root",
        "How to weight classes in the loss: by the square root of their rarity, by their effective number of tiles "
        "(Cui et al. 2019), or all the same.",
        choices=CLASS_WEIGHTINGS,
    )
    dense_loss_weight: float = setting(
        1.0,
        "Weight of the loss by pixel of a dense head, beside that by tile; 0 leaves its maps untrained.",
        at_least=0,
    )
