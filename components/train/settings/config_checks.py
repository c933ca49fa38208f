"""What TrainConfig may hold: the known names, and the range of each number. Imports no TensorFlow."""

from typing import Any

LOSSES = ("cross_entropy", "focal")
CLASS_WEIGHTINGS = ("square_root", "effective_number", "none")
SAMPLINGS = ("shuffle", "inverse_frequency", "effective_number")
OPTIMIZERS = ("AdamW", "SGD")
SCHEDULES = ("cosine", "constant", "step", "polynomial", "one_cycle")
# name: what Keras calls the policy. Weights, logits, loss and optimizer are float32 in all of them.
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}

_CHOICES = {
    "loss": LOSSES,
    "class_weighting": CLASS_WEIGHTINGS,
    "sampling": SAMPLINGS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
}
_AT_LEAST = {
    "epochs": 1,
    "global_batch_size": 1,
    "steps_per_call": 1,
    "focal_gamma": 0,
    "reference_batch_size": 0,
    "weight_decay": 0,
    "clip_norm": 0,
    "early_stopping_patience": 0,
    "early_stopping_min_delta": 0,
    "shear_degrees": 0,
    "schedule_power": 0,
    "seed": 0,
}
_BELOW_ONE = (
    "warmup_fraction",
    "label_smoothing",
    "momentum",
    "effective_number_beta",
    "final_rate_fraction",
    "ema_decay",
    "zoom_range",
    "brightness_range",
)
_MAX_SHEAR_DEGREES = 45


def check_choices(config: Any) -> None:
    """Refuses names that are not known.

    Raises:
      ValueError: lists those that are.
    """
    for name, known in _CHOICES.items():
        if getattr(config, name) not in known:
            raise ValueError(f"unknown {name} {getattr(config, name)!r}; expected one of {', '.join(known)}")


def check_ranges(config: Any) -> None:
    """Refuses numbers that make no sense.

    Raises:
      ValueError: says what the number must be.
    """
    # Negated, so that what is not a number is refused too.
    for name, least in _AT_LEAST.items():
        if not getattr(config, name) >= least:
            raise ValueError(f"{name} must be at least {least}, got {getattr(config, name)}")
    for name in _BELOW_ONE:
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{name} must be in [0, 1), got {getattr(config, name)}")
    for name in ("step_decay_fraction", "step_decay_factor"):
        if not 0 < getattr(config, name) <= 1:
            raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(config, name)}")
    if not 0 <= config.focal_alpha <= 1:
        raise ValueError(f"focal_alpha must be in [0, 1], got {config.focal_alpha}")
    if not config.learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0, got {config.learning_rate}")
    if config.shear_degrees > _MAX_SHEAR_DEGREES:
        raise ValueError(f"shear_degrees must be at most {_MAX_SHEAR_DEGREES}, got {config.shear_degrees}")
