"""TrainSettings: all that a run says of its training, from the run form to the workers."""

import dataclasses

from components.setting import check_settings, setting
from components.train.settings.config import TrainConfig
from components.train.settings.strategies import AUTO, STRATEGIES, check_strategy


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What is trained and how; where its workers run is said by node_pools.PoolSettings.

    Raises:
      SettingsError: for a value, or a combination, that no training can succeed with; in the words of the pipeline's
        parameters.
    """

    config: TrainConfig = setting(
        TrainConfig(),
        f"The model's tuning, a JSON object with some of {', '.join(TrainConfig.keys())}.",
        parse=TrainConfig.from_json,
        text="{}",
    )
    num_workers: int = setting(2, "Worker processes that train together.", at_least=1)
    strategy: str = setting(
        AUTO,
        f"How training is spread over devices: {AUTO}, {', '.join(STRATEGIES)}. See the README's table.",
    )
    max_restarts: int = setting(2, "How often training starts again from its checkpoint after a crash.", at_least=0)
    max_seconds: int = setting(
        0,
        "Seconds of training, over all restarts, after which it ends with the best model so far; 0 is without limit.",
        at_least=0,
    )
    checkpoint_seconds: int = setting(
        600,
        "Seconds from one checkpoint to the next within an epoch; 0 makes them at epochs' ends only.",
        at_least=0,
    )
    keep_checkpoints: int = setting(
        2, "Checkpoints that are kept, the last ones; a damaged one is answered with the one before it.", at_least=1
    )

    def __post_init__(self) -> None:
        check_settings(self, "train_")
        check_strategy(self.strategy, self.config, self.num_workers)
