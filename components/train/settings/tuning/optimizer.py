"""How weights follow the gradient (step/optimizer.py, step/weight_average.py)."""

import dataclasses

from components.setting import setting

OPTIMIZERS = ("AdamW", "SGD")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """The optimizer, without its learning rate."""

    optimizer: str = setting("AdamW", '"SGD" comes with momentum.', choices=OPTIMIZERS)
    momentum: float = setting(0.9, "Of SGD.", at_least=0, below=1)
    nesterov: bool = setting(True, "Whether SGD looks ahead along its momentum.")
    weight_decay: float = setting(
        1e-4,
        "Decoupled from the gradient, times the rate; of kernels only, not of biases and norms.",
        at_least=0,
    )
    clip_norm: float = setting(
        0.0,
        "The gradient, over all weights and workers, is scaled down to this norm; 0 turns it off.",
        at_least=0,
    )
    ema_decay: float = setting(
        0.0,
        "Validation and export use a moving average of the weights with this decay; 0 turns it off.",
        at_least=0,
        below=1,
    )
