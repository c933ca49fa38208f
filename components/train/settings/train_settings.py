"""TrainSettings: all of a run's training settings, passed from the run form to the workers."""

import dataclasses

from components.setting import check_settings, setting
from components.train.settings.config import TrainConfig
from components.train.settings.strategies import AUTO, STRATEGIES, check_strategy

OPTIONS = "train_options"  # the object of the run form that holds what is rarely changed


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What to train and how; node_pools.PoolSettings says where the workers run.

    Raises:
      SettingsError: If no training can succeed with a value or combination; uses the names of the pipeline's
        parameters.
    """

    config: TrainConfig = setting(
        TrainConfig(),
        "Tuning of the model: an object with any of the keys "
        f"{', '.join(TrainConfig.keys())}. A key overrides the parameter of its own that it may have.",
        parse=TrainConfig.from_object,
    )
    num_workers: int = setting(2, "Number of worker processes that train together.", at_least=1)
    strategy: str = setting(
        AUTO,
        f"How to spread training over devices: {AUTO}, {', '.join(STRATEGIES)}.",
        choices=(AUTO, *STRATEGIES),
        group=OPTIONS,
    )
    max_restarts: int = setting(
        2,
        "How many times to restart training from its last checkpoint after a crash.",
        group=OPTIONS,
        at_least=0,
    )
    max_seconds: int = setting(
        0,
        "Time limit of training, in seconds over all restarts; training then ends with the best model so far. "
        "0 means no limit.",
        group=OPTIONS,
        at_least=0,
    )
    max_cost: float = setting(
        0.0,
        "Most that the workers' nodes may cost, over all restarts, in the currency of the price file. A training that "
        "would cost more is refused, or ends with the best model so far. 0 means no limit.",
        group=OPTIONS,
        at_least=0,
    )
    checkpoint_seconds: int = setting(
        600,
        "Seconds between two checkpoints within an epoch; 0 saves only at the end of each epoch.",
        group=OPTIONS,
        at_least=0,
    )
    keep_checkpoints: int = setting(
        2,
        "How many of the latest checkpoints to keep; if the newest is damaged, training resumes from the one before.",
        group=OPTIONS,
        at_least=1,
    )

    def __post_init__(self) -> None:
        check_settings(self, "train_")
        check_strategy(self.strategy, self.config, self.num_workers)
