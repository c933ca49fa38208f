"""Refuses a run on a cluster whose limit of cost pays for no training, before it is uploaded."""

from components.cost.prices import read_prices
from components.progress import StepLog
from components.train.charges import paid_seconds
from components.train.settings.roles import tasks
from components.train.settings.strategies import AUTO
from pipeline.parameters import Parameters


def check_max_cost(parameters: Parameters) -> None:
    """Refuses a limit that does not pay the workers' nodes for long enough, by the prices that are known here.

    The train step goes by the cluster's own prices, and by the trainings under data_root.

    Raises:
      SettingsError: if it does not; says what it pays for, and what to set.
    """
    train, profile = parameters.train, parameters.pool.profile
    paid_seconds(train.max_cost, profile, num_pods(parameters), read_prices(), StepLog("submit"))


def num_pods(parameters: Parameters) -> int:
    """Returns how many pods a training on a cluster has."""
    train = parameters.train
    return train.num_workers if train.strategy == AUTO else len(tasks(train.strategy, train.num_workers))
