"""How a training is spread over devices, as data: `train_strategy`. Imports TensorFlow only to make one."""

import dataclasses
from collections.abc import Callable
from typing import Any

from components.errors import SettingsError
from components.train.config import TrainConfig
from components.train.devices import Devices

AUTO = "auto"
PARAMETER_SERVER = "parameter_server"
CHIEF = "chief"  # the one of them that directs the others
TPU = "tpu"
_WORKERS_PER_PARAMETER_SERVER = 4


@dataclasses.dataclass(frozen=True)
class Strategy:
    """One way to train on several devices.

    Attributes:
      fewest_workers, most_workers: Worker processes that it is for; 0 is without limit.
      instead: What to use for another number of workers.
      replicas: How many replicas of the model a worker has, of (GPUs of the machine, workers on it); 0 if only the
        running worker can tell.
      make: Returns the tf.distribute.Strategy, in a worker, of (devices of its replicas, whether GPUs are its own).
      unfit_precisions: Those that it cannot train with.
      is_lockstep: All replicas take every step together, and have the same weights after it.
    """

    fewest_workers: int
    most_workers: int
    instead: str
    replicas: Callable[[int, int], int]
    make: Callable[[list[str], bool], Any]
    unfit_precisions: tuple[str, ...] = ()
    is_lockstep: bool = True


def _one_device(devices: list[str], owns_gpus: bool) -> Any:
    import tensorflow as tf

    return tf.distribute.get_strategy()


def _mirrored(devices: list[str], owns_gpus: bool) -> Any:
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def _multi_worker_mirrored(devices: list[str], owns_gpus: bool) -> Any:
    import tensorflow as tf

    implementation = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        # NCCL refuses two workers on one GPU.
        implementation=implementation.NCCL if owns_gpus else implementation.RING
    )
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def _tpu(devices: list[str], owns_gpus: bool) -> Any:
    import tensorflow as tf

    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
    try:
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise SettingsError(f"train_strategy tpu: TensorFlow finds no TPU, is it tensorflow-tpu? {reason}") from error
    return tf.distribute.TPUStrategy(resolver)


STRATEGIES = {
    "one_device": Strategy(1, 1, "multi_worker_mirrored", lambda num_gpus, num_workers: 1, _one_device),
    "mirrored": Strategy(1, 1, "multi_worker_mirrored", lambda num_gpus, num_workers: max(num_gpus, 1), _mirrored),
    "multi_worker_mirrored": Strategy(
        2,
        0,
        "one_device or mirrored",
        lambda num_gpus, num_workers: max(num_gpus // num_workers, 1),
        _multi_worker_mirrored,
    ),
    # Its chief computes on one device; the replicas are in the workers, each by itself.
    PARAMETER_SERVER: Strategy(
        2,
        0,
        "one_device or mirrored",
        lambda num_gpus, num_workers: 1,
        _one_device,
        # The scale of the loss would be changed by a worker while another one uses it.
        unfit_precisions=("float16",),
        is_lockstep=False,
    ),
    TPU: Strategy(
        1, 1, "multi_worker_mirrored on GPUs", lambda num_gpus, num_workers: 0, _tpu, unfit_precisions=("float16",)
    ),
}


def check_strategy(name: str, config: TrainConfig, num_workers: int) -> None:
    """Refuses what no machine can do.

    Raises:
      SettingsError: if the strategy is unknown, or does not go with the other settings.
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
            f"{num_workers}; for one worker there is {strategy.instead}"
        )
    if 0 < strategy.most_workers < num_workers:
        what = "the TPU of one host" if name == TPU else "one worker"
        raise SettingsError(
            f"train_strategy {name} is for {what}, got train_num_workers={num_workers}; set it to 1, or use "
            f"{strategy.instead}"
        )
    if config.precision in strategy.unfit_precisions:
        raise SettingsError(
            f"precision {config.precision} does not go with train_strategy {name}; use bfloat16 or float32"
        )
    config.check_workers(num_workers)


def resolve_strategy(name: str, config: TrainConfig, num_workers: int, devices: Devices) -> tuple[str, int]:
    """Returns the strategy, never "auto", and the replicas of each worker on this machine, 0 if only it can tell.

    Raises:
      SettingsError: if the strategy cannot work here, or the batch cannot be shared out among all replicas.
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
        raise SettingsError("train_strategy tpu needs a TPU, and this machine has none; use auto")
    if name == TPU and devices.num_tpu_hosts > 1:
        raise SettingsError(
            "train_strategy tpu is for the TPU of one host, and this one is in a slice of "
            f"{devices.num_tpu_hosts} hosts; take a slice of one host, or use multi_worker_mirrored on GPUs"
        )
    num_replicas = STRATEGIES[name].replicas(devices.num_gpus, num_workers)
    check_replicas(config, num_workers, max(num_replicas, 1))
    return name, num_replicas


def check_replicas(config: TrainConfig, num_workers: int, num_replicas: int) -> None:
    """Refuses a batch that cannot be shared out among the replicas of all workers.

    Raises:
      SettingsError: names both numbers.
    """
    if config.global_batch_size % (num_workers * num_replicas):
        raise SettingsError(
            f"global_batch_size must be a multiple of {num_workers * num_replicas}, the number of replicas "
            f"({num_workers} workers with {num_replicas} each), got {config.global_batch_size}"
        )


def tasks(name: str, num_workers: int) -> list[tuple[str, int]]:
    """Returns the processes of a training, as type and number in TF_CONFIG; the first one validates and exports.

    With parameter servers, of which there is one for every four workers, it is a chief beside the workers.
    """
    workers = [("worker", number) for number in range(num_workers)]
    if name != PARAMETER_SERVER:
        return workers
    num_servers = -(-num_workers // _WORKERS_PER_PARAMETER_SERVER)
    return [(CHIEF, 0), *workers, *[("ps", number) for number in range(num_servers)]]


def task_name(job: str, index: int) -> str:
    """Returns what messages call a process of `tasks`."""
    return CHIEF if job == CHIEF else f"{'parameter server' if job == 'ps' else job} {index}"
