"""Settings of the learning rate and its schedule (step/schedule.py)."""

import dataclasses

from components.setting import setting

SCHEDULES = ("cosine", "constant", "step", "polynomial", "one_cycle")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """The learning rate of each step."""

    learning_rate: float = setting(3e-3, "Peak learning rate, reached after warm-up.", above=0)
    reference_batch_size: int = setting(
        0,
        "Batch size that learning_rate is meant for; the rate is scaled linearly to global_batch_size (Goyal et al. "
        "2017). 0 uses learning_rate unscaled.",
        at_least=0,
    )
    schedule: str = setting("cosine", "How the rate falls after warm-up.", choices=SCHEDULES)
    warmup_fraction: float = setting(
        0.1, "Fraction of all steps during which the rate rises to its peak.", at_least=0, below=1
    )
    final_rate_fraction: float = setting(
        0.0, 'Final rate of "cosine" and "polynomial", as a fraction of the peak.', at_least=0, below=1
    )
    schedule_power: float = setting(1.0, 'Exponent of "polynomial"; 1 is a straight line.', at_least=0)
    step_decay_fraction: float = setting(
        0.3,
        '"step" multiplies the rate by step_decay_factor each time this fraction of the steps after warm-up is done.',
        above=0,
        at_most=1,
    )
    step_decay_factor: float = setting(0.1, 'Factor that "step" multiplies the rate by.', above=0, at_most=1)
