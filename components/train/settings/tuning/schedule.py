"""The learning rate, and how it changes over a training (step/schedule.py)."""

import dataclasses

from components.setting import setting

SCHEDULES = ("cosine", "constant", "step", "polynomial", "one_cycle")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """The learning rate of each step."""

    learning_rate: float = setting(3e-3, "Peak rate, after warm-up.", above=0)
    reference_batch_size: int = setting(
        0,
        "The rate is for this many tiles, and scaled linearly to global_batch_size (Goyal et al. 2017); 0 takes it as "
        "it is.",
        at_least=0,
    )
    schedule: str = setting("cosine", "How the rate falls after warm-up.", choices=SCHEDULES)
    warmup_fraction: float = setting(0.1, "Share of all steps in which the rate rises from zero.", at_least=0, below=1)
    final_rate_fraction: float = setting(
        0.0, 'What "cosine" and "polynomial" end at, as a share of the peak.', at_least=0, below=1
    )
    schedule_power: float = setting(1.0, 'Exponent of "polynomial"; 1 is a straight line.', at_least=0)
    step_decay_fraction: float = setting(
        0.3, '"step" multiplies the rate by step_decay_factor after each such share of all steps.', above=0, at_most=1
    )
    step_decay_factor: float = setting(0.1, 'What "step" multiplies the rate by.', above=0, at_most=1)
