"""The learning rate of each step, as pure functions of the step's number, so that resuming needs no state."""

import math

from components.train.settings.config import TrainConfig

# Start and end of "one_cycle", as fractions of the peak, as in Smith and Topin 2018 and in fastai.
_ONE_CYCLE_START = 1 / 25
_ONE_CYCLE_END = 1e-4


def learning_rate(config: TrainConfig, step: int, num_steps: int) -> float:
    """Returns the rate of a step, without the factor of a variable.

    During warm-up, the rate rises linearly and reaches the peak in the last warm-up step. After that:
      cosine: half a cosine down to `final_rate_fraction` of the peak.
      polynomial: (1 - progress) ** `schedule_power` down to the same rate.
      constant: the peak.
      step: multiplied by `step_decay_factor` after each `step_decay_fraction` of the steps after warm-up.
      one_cycle: half a cosine down to a 10,000th of the peak; its warm-up is half a cosine up from a 25th of the peak.

    Args:
      config: The model's tuning.
      step: Step over all epochs, from 0.
      num_steps: Steps of the whole training, over all epochs.
    """
    peak = peak_rate(config)
    num_warmup = round(num_steps * config.warmup_fraction)
    if step < num_warmup:
        share = (step + 1) / num_warmup
        return peak * (_half_cosine(_ONE_CYCLE_START, 1.0, share) if config.schedule == "one_cycle" else share)
    progress = min((step - num_warmup) / max(num_steps - num_warmup, 1), 1.0)
    return peak * _after_warmup(config, progress)


def peak_rate(config: TrainConfig) -> float:
    """Returns the learning rate after warm-up, scaled with the global batch (Goyal et al. 2017)."""
    scale = config.global_batch_size / config.reference_batch_size if config.reference_batch_size else 1.0
    return config.learning_rate * scale


def _after_warmup(config: TrainConfig, progress: float) -> float:
    """Returns the fraction of the peak at `progress` in [0, 1] through the steps after warm-up."""
    last = config.final_rate_fraction
    if config.schedule == "cosine":
        return _half_cosine(1.0, last, progress)
    if config.schedule == "polynomial":
        return last + (1.0 - last) * math.pow(1.0 - progress, config.schedule_power)
    if config.schedule == "step":
        # In floating point, 0.3 / 0.1 is slightly below 3.
        return math.pow(config.step_decay_factor, math.floor(progress / config.step_decay_fraction + 1e-9))
    if config.schedule == "one_cycle":
        return _half_cosine(1.0, _ONE_CYCLE_END, progress)
    return 1.0


def _half_cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * progress))
