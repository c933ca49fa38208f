"""Settings of the optimizer and of the weight average (step/optimizer.py, step/weight_average.py)."""

import dataclasses

from components.setting import setting

OPTIMIZERS = ("AdamW", "SGD")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """The optimizer, except for its learning rate."""

    optimizer: str = setting("AdamW", 'Optimizer; "SGD" uses momentum.', choices=OPTIMIZERS)
    momentum: float = setting(0.9, "Momentum of SGD.", at_least=0, below=1)
    nesterov: bool = setting(True, "Use Nesterov momentum in SGD.")
    weight_decay: float = setting(
        1e-4,
        "Weight decay, decoupled from the gradient and multiplied by the learning rate; applies to kernels, not to "
        "biases and normalisation.",
        at_least=0,
    )
    clip_norm: float = setting(
        0.0,
        "Scale the gradient down to this norm, taken over all weights and workers, if it is larger; 0 turns it off.",
        at_least=0,
    )
    ema_decay: float = setting(
        0.0,
        "Decay of the moving average of the weights that validation and export use; 0 turns it off.",
        at_least=0,
        below=1,
    )
