"""The values of `train_strategy`, as data: ways to spread training over devices. peers/distribution.py builds them."""

import dataclasses
from collections.abc import Callable

from components.errors import SettingsError
from components.train.settings.config import TrainConfig
from components.train.settings.devices import Devices

AUTO = "auto"
PARAMETER_SERVER = "parameter_server"
TPU = "tpu"


@dataclasses.dataclass(frozen=True)
class Strategy:
    """One way to train on several devices.

    Attributes:
      fewest_workers, most_workers: Range of the number of worker processes; a `most_workers` of 0 means no limit.
      instead: What to use for a number of workers outside that range.
      replicas: Returns how many replicas of the model a worker has, from (GPUs of the machine, workers on it); 0 if
        only the running worker can tell.
      unfit_precisions: Precisions that it cannot train with.
      is_lockstep: All replicas take every step together, and have the same weights after it.
    """

    fewest_workers: int
    most_workers: int
    instead: str
    replicas: Callable[[int, int], int]
    unfit_precisions: tuple[str, ...] = ()
    is_lockstep: bool = True


STRATEGIES = {
    "one_device": Strategy(1, 1, "multi_worker_mirrored", lambda num_gpus, num_workers: 1),
    "mirrored": Strategy(1, 1, "multi_worker_mirrored", lambda num_gpus, num_workers: max(num_gpus, 1)),
    "multi_worker_mirrored": Strategy(
        2,
        0,
        "one_device or mirrored",
        lambda num_gpus, num_workers: max(num_gpus // num_workers, 1),
    ),
    # Its chief computes on one device; each worker holds one replica and works independently.
    PARAMETER_SERVER: Strategy(
        2,
        0,
        "one_device or mirrored",
        lambda num_gpus, num_workers: 1,
        # A worker would change the loss scale while another worker uses it.
        unfit_precisions=("float16",),
        is_lockstep=False,
    ),
    TPU: Strategy(
        1, 1, "multi_worker_mirrored on GPUs", lambda num_gpus, num_workers: 0, unfit_precisions=("float16",)
    ),
}


def check_strategy(name: str, config: TrainConfig, num_workers: int) -> None:
    """Rejects a strategy that cannot work on any machine with these settings.

    Raises:
      SettingsError: If the strategy is unknown, or does not work with the other settings.
    """
    if name == AUTO:
        config.check_workers(num_workers)
        return
    if name not in STRATEGIES:
        raise SettingsError(f"unknown train_strategy {name!r}; expected one of {', '.join([AUTO, *STRATEGIES])}")
    strategy = STRATEGIES[name]
    if num_workers < strategy.fewest_workers:
        raise SettingsError(
            f"train_strategy {name} needs at least {strategy.fewest_workers} workers, got train_num_workers="
            f"{num_workers}; for one worker use {strategy.instead}"
        )
    if 0 < strategy.most_workers < num_workers:
        what = "the TPU of one host" if name == TPU else "one worker"
        raise SettingsError(
            f"train_strategy {name} is for {what}, got train_num_workers={num_workers}; set it to 1, or use "
            f"{strategy.instead}"
        )
    if config.precision in strategy.unfit_precisions:
        raise SettingsError(
            f"precision {config.precision} does not work with train_strategy {name}; use bfloat16 or float32"
        )
    if config.xla and name == TPU:
        raise SettingsError(
            f"xla, a key of train_config, must be false for train_strategy {name}, which always compiles"
        )
    config.check_workers(num_workers)


def resolve_strategy(name: str, config: TrainConfig, num_workers: int, devices: Devices) -> tuple[str, int]:
    """Returns the strategy, never "auto", and the number of replicas in each worker, 0 if only the worker can tell.

    Raises:
      SettingsError: If the strategy cannot work on this machine, or the batch cannot be divided among all replicas.
    """
    if name == AUTO:
        if num_workers > 1:
            name = "multi_worker_mirrored"
        elif devices.has_tpu:
            name = TPU
        else:
            name = "mirrored" if devices.num_gpus > 1 else "one_device"
    check_strategy(name, config, num_workers)
    if name == TPU and not devices.has_tpu:
        raise SettingsError("train_strategy tpu needs a TPU, but this machine has none; use auto")
    if name == TPU and devices.num_tpu_hosts > 1:
        raise SettingsError(
            "train_strategy tpu is for the TPU of one host, but this host is in a slice of "
            f"{devices.num_tpu_hosts} hosts; use a slice with one host, or multi_worker_mirrored on GPUs"
        )
    num_replicas = STRATEGIES[name].replicas(devices.num_gpus, num_workers)
    check_replicas(config, num_workers, max(num_replicas, 1))
    return name, num_replicas


def check_replicas(config: TrainConfig, num_workers: int, num_replicas: int) -> None:
    """Rejects a batch that cannot be divided among the replicas of all workers.

    Raises:
      SettingsError: If the global batch size is not a multiple of the number of replicas; names both.
    """
    if config.global_batch_size % (num_workers * num_replicas):
        raise SettingsError(
            f"global_batch_size must be a multiple of {num_workers * num_replicas}, the number of replicas "
            f"({num_workers} workers with {num_replicas} each), got {config.global_batch_size}"
        )
